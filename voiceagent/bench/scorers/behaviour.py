"""What an agent does about an overlap: responds, resumes, asks again, or none of these.

Four tags, of the first new sentence that it begins after the overlap's onset; a sentence that was
in progress and goes on to its end is resuming. Official tags come from a language model that reads
both transcripts. For our own scenes a rule gives them, since all that the agent can say is a list
of sentences: which one goes on, and which one is new?

Source: Full-Duplex-Bench v1.5 (arXiv 2507.23159), the four behaviours.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from voiceagent.bench.slot_grammar import slotted
from voiceagent.scenes.domain import REFUSAL, agent_sentences
from voiceagent.testing.words import normalise

RESPOND, RESUME, UNCERTAIN, UNKNOWN = "respond", "resume", "uncertain", "unknown"
TAGS = (RESPOND, RESUME, UNCERTAIN, UNKNOWN)

#: What agents of other wording than ours ask again with, whole and by what can be heard of it.
_ASKING = (
    "could you repeat that please",
    "sorry could you say that again please",
    "i did not understand that",
    "i did not catch that",
)
_ASKS_AGAIN = re.compile(
    r"\b(pardon|excuse me|(repeat|say) that|could you (say|repeat)|i did not|what did you say)\b"
)
#: The rest of a sentence is said if so much of it is alike, a new one begun if so much of that is;
_GOES_ON, _BEGINS = 0.5, 0.75
#: of fewer words than this nothing can be told, unless the recording or the agent breaks off.
_LEAST_WORDS = 3

_Words = Sequence[str]


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
        before: what it had said until then.
        answer: the whole answer that the overlap fell into.
        response: what would answer the overlap.
        overlap: its own words; giving them back answers nothing.
    """
    words, heard = normalise(said), normalise(overlap)
    goes_on = _going_on(words, _rest(normalise(before), normalise(answer)))
    since = words[goes_on:]
    asked = _ASKS_AGAIN.search(" ".join(since))
    if asked and not _is_within(asked[0].split(), heard):
        return UNCERTAIN
    begun = _new_sentence(since, heard)
    if begun is not None:
        reacts = {slotted(REFUSAL), slotted(response)}
        return RESPOND if begun in reacts else UNKNOWN
    return RESUME if goes_on else UNKNOWN


def _rest(before: _Words, answer: _Words) -> list[str]:
    """What is left to say of the sentence that was in progress, of all that it could be."""
    known = (answer, *(sentence.split() for sentence in (*_ASKING, *agent_sentences())))
    likeness = [_alike(before, sentence[: len(before)]) for sentence in known]
    sentence = known[likeness.index(max(likeness))] if before else answer
    return list(sentence[len(before) :])


def _going_on(words: _Words, rest: _Words) -> int:
    """How many words belong to the rest of a sentence; 0 where it breaks off."""
    likeness = [_alike(words[:count], rest) for count in range(len(words) + 1)]
    return likeness.index(max(likeness)) if max(likeness) >= _GOES_ON else 0


def _new_sentence(words: _Words, heard: _Words) -> tuple[str, ...] | None:
    """The sentence that is begun in some words, with slots; None where there is none."""
    slots = slotted(" ".join(words))
    best, found = _BEGINS, None
    for start in range(len(words)):
        for sentence in _sentences():
            part = slots[start : start + len(sentence)]
            is_enough = len(part) >= min(_LEAST_WORDS, len(sentence))
            if not is_enough or _is_within(words[start : start + len(part)], heard):
                continue
            likeness = _alike(part, sentence[: len(part)])
            if likeness > best:
                best, found = likeness, sentence
    return found


@functools.cache
def _sentences() -> tuple[tuple[str, ...], ...]:
    """All that the agent can say, with slots, each once."""
    return tuple(sorted({slotted(sentence.lower()) for sentence in agent_sentences()}))


def _is_within(part: _Words, words: _Words) -> bool:
    """Whether words are said in a row in others."""
    return f" {' '.join(part)} " in f" {' '.join(words)} "


def _alike(one: _Words, other: _Words) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() if one and other else 0.0
