"""The third stage: one row of numbers a recording, from sound, words and annotation.

A row holds what its task's axes need and the honest columns beside them; what cannot be known (no
words recognised, no distribution of people given) is null, with the reason in "missing". Nothing is
estimated to fill a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voiceagent.bench import voice
from voiceagent.bench.annotation import Annotation, Stretch
from voiceagent.bench.conversation import conversation_of
from voiceagent.bench.folder import DONE, FAILED, RunFolder
from voiceagent.bench.rules import CORRECTED, Rules
from voiceagent.bench.scorers import backchannel, behaviour, honest, takeover, timing
from voiceagent.bench.scorers.backchannel import Distribution
from voiceagent.bench.sound import Sound, read_sound
from voiceagent.bench.speech import SpeechFinder, rounded_s
from voiceagent.bench.suite import Sample
from voiceagent.bench.transcript import TimedWord, text_of
from voiceagent.bench.verdicts import read_verdict, verdict_of
from voiceagent.bench.voice import AgentSound
from voiceagent.errors import BenchError, VoiceAgentError
from voiceagent.records.axes import Axes, measure
from voiceagent.records.conversation import Conversation
from voiceagent.records.events import BACKCHANNEL_MS, WANTED
from voiceagent.testing.words import normalise

NO_WORDS = "no words recognised: run 'voiceagent bench asr'"
NO_PEOPLE = "needs --upstream, a checkout of the official repository"

_MOST_APART_S = 0.08

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


def score_sample(folder: RunFolder, sample: Sample, scoring: Scoring) -> Row:
    """The row of one recording.

    Args:
        folder: of the run.
        sample: of its plan.
        scoring: rules, people and detector.

    Returns:
        "task", "id", "status" ("done", "failed" or "not run"), "reason", and if done the scores.
    """
    row: Row = {"task": sample.task.name, "id": sample.id}
    state = folder.state(sample.key)
    if sample.fault or (state is not None and state.status == FAILED):
        return {**row, "status": FAILED, "reason": sample.fault or (state.reason if state else "")}
    if state is None:
        return {**row, "status": "not run", "reason": ""}
    try:
        heard = _listen(folder, sample, scoring)
    except VoiceAgentError as error:
        return {**row, "status": FAILED, "reason": str(error)}
    return {**row, "status": DONE, "reason": "", **_scores(heard, scoring)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """A recording with all that its scores are made of."""

    sample: Sample
    annotation: Annotation
    words: tuple[TimedWord, ...] | None
    #: As the target told them, if it did, else `words`.
    meant: tuple[TimedWord, ...] | None
    output: Sound
    user: list[Stretch]
    agent: list[Stretch]
    clean: AgentSound | None
    #: Field of the row, what it holds, and why it holds nothing.
    verdict: str
    judged: Any
    not_judged: str

    @property
    def duration_s(self) -> float:
        return self.output.duration_s

    @property
    def turn_end_s(self) -> float | None:
        """When the user is done, annotated or heard."""
        if self.annotation.turn_end_s is not None:
            return self.annotation.turn_end_s
        return self.user[-1][1] if self.user else None


def _listen(folder: RunFolder, sample: Sample, scoring: Scoring) -> _Heard:
    assert sample.annotation is not None, "a sample without fault has an annotation"
    source = read_sound(sample.input_path())
    output = read_sound(folder.inside(sample.key, "output.wav"))
    if abs(source.duration_s - output.duration_s) > _MOST_APART_S:
        raise BenchError(
            f"{folder.inside(sample.key, 'output.wav')}: lasts {output.duration_s:.2f} s, its "
            f"input {source.duration_s:.2f} s; both must be on one clock"
        )
    user, agent = scoring.finder.stretches([source.for_detector(), output.for_detector()])
    recognised = folder.recognised(sample.key)
    words = None if recognised is None else recognised.words
    judged, not_judged = _verdict(folder, sample, words)
    return _Heard(
        sample=sample,
        annotation=sample.annotation,
        words=words,
        meant=folder.own_words(sample.key) or words,
        output=output,
        user=user,
        agent=agent,
        clean=voice.read_clean(folder, sample),
        verdict=verdict_of(sample),
        judged=judged,
        not_judged=not_judged,
    )


def _verdict(
    folder: RunFolder, sample: Sample, words: Sequence[TimedWord] | None
) -> tuple[Any, str]:
    """What a judge or, in our own scenes, the rule says; or why there is nothing."""
    if words is None or not verdict_of(sample):
        return None, ""
    assert sample.annotation is not None, "a sample without fault has an annotation"
    if sample.annotation.scene is not None:
        return behaviour.rule_tag(**overlap_texts(sample, words)), ""
    return read_verdict(folder, sample)


def _scores(heard: _Heard, scoring: Scoring) -> Row:
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


def _takeover(heard: _Heard) -> Row:
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


def _backchannel(heard: _Heard, scoring: Scoring) -> Row:
    rules = scoring.rules
    pcm = heard.output.for_detector(rules.detector_ignores_rate)
    (spans,) = scoring.finder.spans([pcm])
    found = backchannel.judge(
        rounded_s(spans, len(pcm)),
        heard.words or (),
        heard.duration_s,
        scoring.people.get(heard.sample.id),
        rules,
    ).to_json()
    return found if heard.words is not None else {**found, "backchannel_takeover": None}


def _overlap(heard: _Heard, scoring: Scoring) -> Row:
    overlap = heard.annotation.overlap
    row = timing.measure(heard.user, heard.agent, overlap).to_json()
    if heard.words is not None and overlap is not None:
        sound = AgentSound(heard.output, heard.words)
        row["prosody"] = voice.pieces(sound, heard.clean, overlap[1], scoring.finder)
    return row


def overlap_texts(sample: Sample, words: Sequence[TimedWord]) -> dict[str, str]:
    """What a judge of an overlap in one of our own scenes has to go by.

    Args:
        sample: of a scene with an overlap.
        words: of the agent.

    Returns:
        The arguments of `behaviour.rule_tag`.
    """
    annotation = sample.annotation
    assert annotation is not None, "a scored sample has an annotation"
    assert annotation.scene is not None, "only our own scenes have a script"
    assert annotation.overlap is not None, "and this one an overlap"
    onset_s, overlap = annotation.overlap[0], annotation.overlap_text
    answer, *more = annotation.scene.expected.answers
    return {
        "said": text_of([word for word in words if word.start_s >= onset_s]),
        "before": text_of([word for word in words if word.start_s < onset_s]),
        "answer": answer,
        "response": more[0] if more else _response(overlap),
        "overlap": overlap,
    }


def _response(overlap: str) -> str:
    """What would answer an overlap that wants no answer."""
    from voiceagent.scenes.domain import turn_for

    return turn_for(overlap).agent_text


def _looked_at(heard: _Heard) -> Row:
    """The honest columns; where an overlap is, the agent may well speak before it."""
    waits = {"pause", "turn", "backchannel"} & set(heard.sample.task.axes)
    return honest.look(
        heard.agent,
        heard.duration_s,
        turn_end_s=heard.turn_end_s if waits else None,
        overlap=heard.annotation.overlap,
    ).to_json()


def _axes(heard: _Heard) -> Row:
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


def _is_right(heard: _Heard) -> bool | None:
    """Whether the last thing it meant to say is a script's last answer; None without a script.

    A recogniser's slip is no wrong answer, so a target that tells its words is taken at them.
    """
    if "answer" not in heard.sample.task.axes or heard.meant is None:
        return None
    assert heard.annotation.scene is not None, "only our own scenes have answers"
    answer = normalise(heard.annotation.scene.expected.answers[-1])
    return normalise(text_of(heard.meant))[-len(answer) :] == answer


def is_good(sample: Sample, talk: Conversation, axes: Axes) -> bool | None:
    """Whether the outcome is what the task wants; None where nothing overlapped after all.

    A pause held and the turn then taken, a turn taken, both without cutting in; the user's floor
    kept; an interruption honoured within a second; an overlap spoken through that is none of the
    agent's business; nothing said into noise.
    """
    task, is_kept = sample.task, axes.floor_kept.count == axes.floor_kept.of
    if "overlap" in task.axes or "interruption" in task.axes:
        return _is_overlap_good(task.overlap_kind, axes)
    if "silence" in task.axes:
        return not talk.agent
    if "backchannel" in task.axes:
        return is_kept and not _talks_into(talk)
    is_taken = axes.turns_taken.count == axes.turns_taken.of > 0
    return is_taken and is_kept and axes.pauses_held.count == axes.pauses_held.of


def _talks_into(talk: Conversation) -> bool:
    """Whether the agent is talking when a turn begins, and goes on: it never got the floor."""
    turns = [speech for speech in talk.user if speech.kind == "turn"]
    return any(
        agent.span.start_ms < turn.start_ms < agent.span.end_ms - BACKCHANNEL_MS
        for turn in turns
        for agent in talk.agent
    )


def _is_overlap_good(kind: str, axes: Axes) -> bool | None:
    if kind == "interruption":
        honoured = axes.interruptions_honoured
        return honoured.count == 1 if honoured.of else None
    found = axes.of_kind(kind)
    if not found or found[0].outcome == "not_exercised":
        return None
    return found[0].outcome == WANTED[kind]
