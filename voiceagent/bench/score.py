"""The third stage: one row of numbers a recording, from sound, words and annotation.

A row holds what its task's axes need and the honest columns beside them; what cannot be known (no
words recognised, no distribution of people given) is null, with the reason in "missing". Nothing is
estimated to fill a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voiceagent.bench import voice
from voiceagent.bench.conversation import conversation_of
from voiceagent.bench.folder import DONE, FAILED, RunFolder
from voiceagent.bench.heard import Heard, hear
from voiceagent.bench.outcome import is_good
from voiceagent.bench.rules import CORRECTED, Rules
from voiceagent.bench.scorers import backchannel, honest, takeover, timing
from voiceagent.bench.scorers.backchannel import Distribution
from voiceagent.bench.speech import SpeechFinder, rounded_s
from voiceagent.bench.suite import Sample
from voiceagent.bench.transcript import TimedWord, text_of
from voiceagent.bench.voice import AgentSound
from voiceagent.errors import VoiceAgentError
from voiceagent.records.axes import measure
from voiceagent.testing.words import normalise

NO_WORDS = "no words recognised: run 'voiceagent bench asr'"
NO_PEOPLE = "needs --upstream, a checkout of the official repository"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What all rows are made with.

    Attributes:
        rules: which arithmetic.
        people: when people give backchannels, by id of the recording; empty where unknown.
        finder: the detector.
    """

    rules: Rules = CORRECTED
    people: Mapping[str, Distribution] = field(default_factory=dict)
    finder: SpeechFinder = field(default_factory=SpeechFinder)


def score_together(folder: RunFolder, samples: Sequence[Sample], scoring: Scoring) -> Iterator[Row]:
    """The rows of some recordings, which are listened to at once.

    Args:
        folder: of the run.
        samples: of its plan.
        scoring: rules, people and detector.

    Yields:
        Of each "task", "id", "status" ("done", "failed" or "not run"), "reason", and if done the
        scores.
    """
    statuses = [_status(folder, sample) for sample in samples]
    played = [s for s, (status, _) in zip(samples, statuses, strict=True) if status == DONE]
    heard = iter(hear(folder, played, scoring.finder))
    for sample, (status, reason) in zip(samples, statuses, strict=True):
        row: Row = {"task": sample.task.name, "id": sample.id}
        found = next(heard) if status == DONE else None
        if isinstance(found, VoiceAgentError):
            status, reason = FAILED, str(found)
        row |= {"status": status, "reason": reason}
        yield row | _scores(found, scoring) if isinstance(found, Heard) else row


def _status(folder: RunFolder, sample: Sample) -> tuple[str, str]:
    """What came of a recording when it was played, and why."""
    if sample.fault:
        return FAILED, sample.fault
    state = folder.state(sample.key)
    return ("not run", "") if state is None else (state.status, state.reason)


def _scores(heard: Heard, scoring: Scoring) -> Row:
    axes, missing = heard.sample.task.axes, {}
    row: Row = {"duration_s": round(heard.duration_s, 3)}
    if heard.words is None:
        missing["words"] = NO_WORDS
    if {"pause", "turn", "interruption", "silence"} & set(axes):
        row |= _takeover(heard)
    if "backchannel" in axes:
        row |= _backchannel(heard, scoring)
        if row["backchannel_jsd"] is None:
            missing["backchannel_jsd"] = NO_PEOPLE
    if "overlap" in axes:
        row |= _overlap(heard, scoring)
    if heard.verdict:
        row[heard.verdict] = heard.judged
        if heard.verdict == "behaviour" and heard.judged is not None:
            row["behaves"] = heard.judged == heard.sample.task.wanted
        missing |= {heard.verdict: heard.not_judged} if heard.not_judged else {}
    return row | _looked_at(heard) | _axes(heard) | {"missing": missing}


def _takeover(heard: Heard) -> Row:
    if heard.words is None:
        return {"takeover": None, "latency_s": None, "num_words": None, "span_s": None}
    words, since_s = heard.words, heard.turn_end_s
    overlap = heard.annotation.overlap
    if "interruption" in heard.sample.task.axes and overlap is not None:
        since_s = overlap[1]
        if not heard.sample.task.is_cropped:
            words = tuple(word for word in words if word.start_s >= since_s)
    elif "pause" in heard.sample.task.axes and heard.annotation.scene and since_s is not None:
        # official recordings end with the turn; ours go on, and its answer is no takeover
        words = _begun_before(words, since_s - honest.EARLY_S)
    is_timed = {"turn", "interruption"} & set(heard.sample.task.axes)
    return {
        "takeover": takeover.is_takeover(words),
        "latency_s": takeover.latency_s(words, since_s) if is_timed and since_s else None,
        "num_words": len(words),
        "span_s": takeover.span_s(words),
    }


def _begun_before(words: Sequence[TimedWord], time_s: float) -> tuple[TimedWord, ...]:
    """Words before a time, and those that go on from them without a gap."""
    count = sum(word.start_s < time_s for word in words)
    while 0 < count < len(words):
        if words[count].start_s - words[count - 1].last_s > timing.AGENT_JOIN_S:
            break
        count += 1
    return tuple(words[:count])


def _backchannel(heard: Heard, scoring: Scoring) -> Row:
    rules, spans = scoring.rules, heard.agent_spans
    pcm = heard.output.for_detector(rules.detector_ignores_rate)
    if rules.detector_ignores_rate:
        (spans,) = scoring.finder.spans([pcm])
    found = backchannel.judge(
        rounded_s(spans, len(pcm)),
        heard.words or (),
        heard.duration_s,
        scoring.people.get(heard.sample.id),
        rules,
    ).to_json()
    return found if heard.words is not None else {**found, "backchannel_takeover": None}


def _overlap(heard: Heard, scoring: Scoring) -> Row:
    overlap = heard.annotation.overlap
    row = timing.measure(heard.user, heard.agent, overlap).to_json()
    if heard.words is not None and overlap is not None:
        sound = AgentSound(heard.output, heard.words)
        row["prosody"] = voice.pieces(sound, heard.clean, overlap[1], scoring.finder)
    return row


def _looked_at(heard: Heard) -> Row:
    """The honest columns; where an overlap is, the agent may well speak before it."""
    waits = {"pause", "turn", "backchannel"} & set(heard.sample.task.axes)
    return honest.look(
        heard.agent,
        heard.duration_s,
        turn_end_s=heard.turn_end_s if waits else None,
        overlap=heard.annotation.overlap,
    ).to_json()


def _axes(heard: Heard) -> Row:
    """The same recording by the definitions that live calls are judged by."""
    talk = conversation_of(
        heard.sample.task,
        heard.annotation,
        heard.user,
        heard.agent,
        heard.words or (),
        heard.duration_s,
    )
    axes = measure(talk)
    return {
        "is_good": is_good(heard.sample, talk, axes),
        "offsets_ms": list(axes.offsets_ms),
        "answers_after_s": axes.latencies_ms[-1] / 1000 if axes.latencies_ms else None,
        "is_right": _is_right(heard),
    }


def _is_right(heard: Heard) -> bool | None:
    """Whether the last thing it meant to say is a script's last answer; None without a script.

    A recogniser's slip is no wrong answer, so a target that tells its words is taken at them.
    """
    if "answer" not in heard.sample.task.axes or heard.meant is None:
        return None
    assert heard.annotation.scene is not None, "only our own scenes have answers"
    answer = normalise(heard.annotation.scene.expected.answers[-1])
    return normalise(text_of(heard.meant))[-len(answer) :] == answer
