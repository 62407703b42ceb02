"""Transcripts made comparable, and word errors between them.

Whisper writes "3 + 4 = 7." where the model says "three plus four is seven": both become the same
words here. Spelling only: a word that was misheard stays an error, names included. Pure text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_UNITS = tuple(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen".split()
)
_TENS = tuple("twenty thirty forty fifty sixty seventy eighty ninety".split())
_NUMBER = rf"(?:\d|(?:{'|'.join(_UNITS + _TENS)})\b)"
# in this order; each replaces what is left of the text, in lower case
_REWRITES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[‘’`]", "'"),
        (r"\b(\d{1,2}):00\b", r"\1"),  # 9:00 is said as nine
        (r"\b(\d{1,2}):(\d\d)\b", r"\1 \2"),
        (r"(?<=\d)\s*−\s*(?=\d)", " minus "),
        # 9-5 is 4, not: 9-5 is when we are open
        (rf"(?<=\d)\s*[-–—]\s*(?=\d+(?:\s*[-–—]\s*\d+)*\s*(?:=|is|equals)\s*{_NUMBER})", " minus "),
        # counted: 7-8-9
        (r"\b\d(?:\s*[-–—]\s*\d\b){2,}", lambda found: " ".join(re.findall(r"\d", found[0]))),
        (r"(?<=\d)\s*[-–—]\s*(?=\d)", " to "),  # hours: from 9-5
        (r"\+", " plus "),
        (r"=|\bequals\b", " is "),
        (r"%", " percent "),
        (r"\bcan(?:'t|not)\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (r"'m\b", " am"),
        (r"'re\b", " are"),
        (r"'ve\b", " have"),
        (r"'ll\b", " will"),
        (r"\b(he|she|it|that|there|what|who|where|how)'s\b", r"\1 is"),
        (r"'", ""),
        (r"\bgood[ -]bye\b", "goodbye"),
        (r"\bok\b", "okay"),
    )
)
# a name that was spelled: DAVID
_SPELLED = re.compile(r"\b[A-Z]{3,}\b")
_WORD = re.compile(r"[^\W_]+")


def normalise(text: str) -> list[str]:
    """Return the words of a transcript: lower case, no punctuation, 0 to 99 in words.

    A word in capitals among others was spelled: its letters are words. So are the digits of a
    longer number: nothing tells "789" from "seven eight nine".
    """
    if not text.isupper():
        text = _SPELLED.sub(lambda found: " ".join(found[0]), text)
    text = text.lower()
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return [word for token in _WORD.findall(text) for word in _spelled_out(token)]


def word_errors(reference: str, heard: str) -> int:
    """Return the fewest insertions, deletions and substitutions that turn one into the other.

    Both are normalised first.

    Source: Levenshtein, 1966, over words.
    """
    return _distance(normalise(reference), normalise(heard))


def word_accuracy(references: Sequence[str], heard: Sequence[str]) -> float:
    """Return the share of right words over pairs of transcripts: 1 - errors / reference words.

    Args:
        references: what was to be said.
        heard: what was recognised, as many.

    Returns:
        At most 1; below 0 where more was inserted than there was to hear.

    Raises:
        ValueError: not as many of one as of the other, or the references hold no word.
    """
    pairs = list(zip(references, heard, strict=True))
    num_words = sum(len(normalise(reference)) for reference in references)
    if not num_words:
        raise ValueError("references: they hold no word")
    return 1 - sum(word_errors(reference, text) for reference, text in pairs) / num_words


def _spelled_out(token: str) -> list[str]:
    """Words of a token; a number above 99 is read digit by digit, "9am" is two words."""
    number = re.fullmatch(r"(\d+)([a-z]*)", token)
    if number is None:
        return [token]
    digits, unit = number.groups()
    parts = digits if len(digits) > 2 else [digits]
    words = [word for part in parts for word in _number_words(int(part))]
    return [*words, unit] if unit else words


def _number_words(number: int) -> list[str]:
    if number < len(_UNITS):
        return [_UNITS[number]]
    tens, units = divmod(number, 10)
    return [_TENS[tens - 2], _UNITS[units]] if units else [_TENS[tens - 2]]


def _distance(reference: Sequence[str], heard: Sequence[str]) -> int:
    costs = list(range(len(heard) + 1))  # of the empty reference against each prefix
    for i, word in enumerate(reference, 1):
        diagonal, costs[0] = costs[0], i
        for j, other in enumerate(heard, 1):
            substituted = diagonal + (word != other)
            diagonal = costs[j]
            costs[j] = min(costs[j] + 1, costs[j - 1] + 1, substituted)
    return costs[-1]
