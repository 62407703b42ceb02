"""What an agent does about an overlap: responds, resumes, asks again, or none of these.

Four tags, of the first new thing it says after the overlap's onset. Official tags come from a
language model that reads both transcripts. For our own scenes both answers are known word by word,
so a rule tells them: which of the two is what was said closest to?

Source: Full-Duplex-Bench v1.5 (arXiv 2507.23159), the four behaviours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from voiceagent.testing.words import normalise

RESPOND, RESUME, UNCERTAIN, UNKNOWN = "respond", "resume", "uncertain", "unknown"
TAGS = (RESPOND, RESUME, UNCERTAIN, UNKNOWN)

_ASKS_AGAIN = re.compile(r"\b(repeat that please|say that again|pardon|did not (catch|hear))\b")
#: What was said must be at least so much like an answer to count as it.
_ALIKE = 0.5


def shares(tags: Sequence[str]) -> dict[str, float]:
    """The share of each tag, to two places as official; nothing of nothing."""
    if not tags:
        return {}
    counts = Counter(tags)
    return {tag: round(counts[tag] / len(tags), 2) for tag in TAGS}


def rule_tag(said: str, before: str, answer: str, response: str, overlap: str = "") -> str:
    """Tag one recording of our own scenes.

    Args:
        said: by the agent since the overlap's onset.
        before: what it had said until then of its answer.
        answer: the whole answer that the overlap fell into.
        response: what would answer the overlap.
        overlap: its own words; giving them back answers nothing.
    """
    words = normalise(said)
    if not words:
        return UNKNOWN
    if _ASKS_AGAIN.search(" ".join(words)):
        return UNCERTAIN
    whole, rest = normalise(answer), _rest(normalise(before), normalise(answer))
    resumes = max(_alike(words, rest), _alike(words, whole), _prefix_alike(words, rest))
    responds = _best_part(words, normalise(response))
    if _best_part(words, normalise(overlap)) > responds:
        responds = 0.0
    if max(resumes, responds) < _ALIKE:
        return UNKNOWN
    return RESPOND if responds > resumes else RESUME


def _rest(before: Sequence[str], answer: Sequence[str]) -> list[str]:
    """What of an answer is left to say."""
    return list(answer[min(len(before), len(answer)) :])


def _alike(one: Sequence[str], other: Sequence[str]) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() if other else 0.0


def _prefix_alike(said: Sequence[str], rest: Sequence[str]) -> float:
    """Whether an answer goes on, however far it comes."""
    return _alike(said, rest[: len(said)])


def _best_part(said: Sequence[str], response: Sequence[str]) -> float:
    """The likeness of the most alike part of what was said: a word or two may come first."""
    if not response:
        return 0.0
    starts = range(max(1, len(said) - len(response) + 1))
    return max(_alike(said[start : start + len(response)], response) for start in starts)
