"""A first look at a trained model: calls of held-out seeds, played to the engine that serves.

Only enough to see that the pieces fit and how far the run got; the whole table, with voices nobody
trained on, is `benchmarks/bench_nano.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voiceagent.audio.framing import Samples
from voiceagent.scenes.channel import SpeakerOf, hear, random_conditions
from voiceagent.scenes.dialogue import DialogueShares, make_dialogue
from voiceagent.scenes.domain import FACT_INTENTS, REFUSAL, REQUESTS
from voiceagent.scenes.render import Composed, compose
from voiceagent.scenes.script import Script
from voiceagent.scenes.seeds import child_rng, draw_seed
from voiceagent.scenes.speakers import speaker
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.engine import Engine
from voiceagent.serving.playback import Playback, play
from voiceagent.testing.words import word_errors

#: Seeds below this are for training.
FIRST_HELD_OUT_SEED = 1 << 40
_SLOTS = 8
_FACT_REQUESTS = frozenset(REQUESTS[intent] for intent in FACT_INTENTS)


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A held-out call: what is played, and what should come of it."""

    script: Script
    composed: Composed
    heard: Samples


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer, which nothing cuts short.

    Attributes:
        asked_ms: end of the question.
        until_ms: when the next thing is said to the agent, or the call ends.
        answer: what the agent should say.
        request: the token before it, or None.
    """

    asked_ms: int
    until_ms: int
    answer: str
    request: str | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one call.

    Attributes:
        inside: of its questions within the domain, whether the whole answer was right.
        outside: of the others, whether they were refused.
        refused: questions within the domain that were refused.
        delays_ms: from a question's end to the first word, of the right answers.
        errors: in the transcript.
        words: that it should have; none where something outside the vocabulary is said.
    """

    inside: tuple[bool, ...]
    outside: tuple[bool, ...]
    refused: int
    delays_ms: tuple[int, ...]
    errors: int
    words: int


def held_out_call(seed: int, *, is_clean: bool = False, speaker_of: SpeakerOf = speaker) -> Call:
    """Make a call that no training run has: nobody holds the agent's answers back."""
    call_seed = FIRST_HELD_OUT_SEED + seed
    script = make_dialogue(call_seed, shares=DialogueShares(held=0.0, two_voices=0.0))
    composed = compose(script, speaker_of)
    heard = composed.user
    if not is_clean:
        rng = child_rng(call_seed, "held-out conditions")
        conditions = random_conditions(rng)
        heard = hear(composed.user, composed.agent, conditions, draw_seed(rng), speaker_of)
    return Call(script, composed, heard)


def exchanges(call: Call) -> list[Exchange]:
    """Return what can be judged in a call: whole answers that the model can know by itself."""
    lines, spans = call.script.lines, call.composed.spans
    end_ms = len(call.heard) // 24
    cut = {line.cuts for line in lines}
    # also where they are asked to be repeated: the model has said another time or day
    facts = {line.text for line in lines if line.request in _FACT_REQUESTS}
    found = []
    for i, line in enumerate(lines):
        is_whole = line.kind == "answer" and line.part is None and i not in cut
        if is_whole and line.after is not None and line.text not in facts:
            later = [spans[j][0] for j in range(i + 1, len(lines)) if lines[j].addressed]
            asked_ms = spans[line.after][1]
            found.append(Exchange(asked_ms, min([*later, end_ms]), line.text, line.request))
    return found


def evaluate(
    folder: Path, calls: Sequence[Call], on_frames: Callable[[int], object] = lambda n: None
) -> dict[str, Any]:
    """Play calls to a model folder and count.

    Returns:
        Shares of right answers in and outside the domain, word error rate of the transcript of
        calls within the domain, and the first word's delay.
    """
    judged = judge_calls(folder, calls, on_frames)
    inside = [hit for call in judged for hit in call.inside]
    outside = [hit for call in judged for hit in call.outside]
    delays_ms = [delay for call in judged for delay in call.delays_ms]
    words = sum(call.words for call in judged)
    return {
        "calls": len(calls),
        "in_domain": len(inside),
        "in_domain_exact": _share(inside),
        "outside": len(outside),
        "outside_refused": _share(outside),
        "user_wer": round(sum(call.errors for call in judged) / max(words, 1), 4),
        "first_word_ms": [int(p) for p in np.percentile(delays_ms, (10, 50, 90))]
        if delays_ms
        else [],
    }


def judge_calls(
    folder: Path, calls: Sequence[Call], on_frames: Callable[[int], object] = lambda n: None
) -> list[Judged]:
    """Play calls to a model folder; what came of each."""
    engine = Engine.load(str(folder), EngineConfig(num_slots=_SLOTS))
    playbacks = play(engine, [call.heard for call in calls], on_frames)
    return [judge_call(call, playback) for call, playback in zip(calls, playbacks, strict=True)]


def judge_call(call: Call, playback: Playback) -> Judged:
    """What came of one call."""
    found: dict[bool, list[bool]] = {False: [], True: []}
    delays_ms, refused = [], 0
    for exchange in exchanges(call):
        said = playback.said_text(exchange.asked_ms, exchange.until_ms)
        is_right, is_outside = said == exchange.answer, exchange.request is not None
        found[is_outside].append(is_right)
        refused += said == REFUSAL and not is_outside
        first = [w.time_ms for w in playback.said if w.time_ms >= exchange.asked_ms]
        if is_right and first:
            delays_ms.append(first[0] - exchange.asked_ms)
    errors = words = 0
    if not any(line.request == REQUESTS["ood"] for line in call.script.lines):
        reference = transcript(call)
        errors, words = word_errors(reference, playback.heard_text()), len(reference.split())
    return Judged(tuple(found[False]), tuple(found[True]), refused, tuple(delays_ms), errors, words)


def transcript(call: Call) -> str:
    """Return what the user says to the agent, in order."""
    said = [
        (span[0], " ".join(word.text for word in utterance.words))
        for line, utterance, span in zip(
            call.script.lines, call.composed.spoken, call.composed.spans, strict=True
        )
        if line.channel == "user" and (line.addressed or line.kind == "backchannel")
    ]
    return " ".join(text for _, text in sorted(said))


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 4) if hits else 0.0
