"""All that the embedded agent can say, as sentences with slots, and as a recogniser's grammar.

Sentences that differ only in a number, a name or a day are one. In the grammar an answer may end
after any word, since it may be broken off.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from voiceagent.scenes.domain import NAMES
from voiceagent.serving.facts import DAYS, number_words

SLOTS = {
    "number": tuple(dict.fromkeys(word for n in range(60) for word in number_words(n).split())),
    "name": NAMES,
    "day": DAYS,
}
_LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")


@functools.cache
def slotted(sentence: str) -> tuple[str, ...]:
    """Its words with "<number>", "<name>" and "<day>" for those; other words as they are."""
    return tuple(_slot(word) for word in sentence.split())


def jsgf(sentences: Iterable[str]) -> str:
    """A grammar in Java Speech Grammar Format: one of the sentences, up to any word of it.

    Args:
        sentences: of words without punctuation; a capital on its own names a letter.
    """
    rules = sorted({_rule(sentence) for sentence in sentences})
    slots = {**SLOTS, "letter": _LETTERS}
    lines = [f"<{name}> = {' | '.join(words)};" for name, words in slots.items()]
    return "\n".join(
        ["#JSGF V1.0;", "grammar agent;", *lines, f"public <said> = {' | '.join(rules)};"]
    )


def _slot(word: str) -> str:
    named = (f"<{name}>" for name, words in SLOTS.items() if word in words)
    return next(named, word)


def _rule(sentence: str) -> str:
    """Such as ``a [b [c]]``; any number of letters in a row."""
    words: list[str] = []
    for word in slotted(sentence):
        found = "<letter>+" if len(word) == 1 and word.isupper() else word
        if words[-1:] != [found] or found != "<letter>+":
            words.append(found)
    return " [".join(words) + "]" * (len(words) - 1)
