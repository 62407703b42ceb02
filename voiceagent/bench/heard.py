"""What a recording's scores are made of: both sides' speech, the agent's words, a judge's verdict.

Recordings are listened to several at a time, since the detector's network takes half as long for a
channel among sixteen as for one of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from voiceagent.bench import voice
from voiceagent.bench.annotation import Annotation, Stretch
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.scorers import behaviour
from voiceagent.bench.sound import Sound, read_sound
from voiceagent.bench.speech import SampleSpan, SpeechFinder, in_seconds
from voiceagent.bench.suite import Sample
from voiceagent.bench.transcript import TimedWord, text_of
from voiceagent.bench.verdicts import read_verdict, verdict_of
from voiceagent.bench.voice import AgentSound
from voiceagent.errors import BenchError, VoiceAgentError

_MOST_APART_S = 0.08


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A recording with all that its scores are made of.

    Attributes:
        sample: of the plan.
        annotation: of the sample.
        words: of the agent, as recognised; None where nothing was.
        meant: as the target told them, if it did, else `words`.
        output: the agent's sound.
        user: stretches of the user's speech.
        agent_spans: those of the agent's, in samples at 16 kHz.
        clean: the agent in the twin without the overlap.
        verdict: field of the row for what a judge says; empty where none is asked.
        judged: what it holds.
        not_judged: why it holds nothing.
    """

    sample: Sample
    annotation: Annotation
    words: tuple[TimedWord, ...] | None
    meant: tuple[TimedWord, ...] | None
    output: Sound
    user: list[Stretch]
    agent_spans: list[SampleSpan]
    clean: AgentSound | None
    verdict: str
    judged: Any
    not_judged: str

    @property
    def agent(self) -> list[Stretch]:
        """Stretches of the agent's speech."""
        return in_seconds(self.agent_spans)

    @property
    def duration_s(self) -> float:
        """Of the recording."""
        return self.output.duration_s

    @property
    def turn_end_s(self) -> float | None:
        """When the user is done, annotated or heard."""
        if self.annotation.turn_end_s is not None:
            return self.annotation.turn_end_s
        return self.user[-1][1] if self.user else None


def hear(
    folder: RunFolder, samples: Sequence[Sample], finder: SpeechFinder
) -> list[Heard | VoiceAgentError]:
    """Listen to recordings that were played.

    Args:
        folder: of the run.
        samples: without fault.
        finder: the detector.

    Returns:
        Of each what was heard, or why it cannot be scored.
    """
    sounds = [_sounds(folder, sample) for sample in samples]
    channels = [
        sound.for_detector()
        for pair in sounds
        if not isinstance(pair, VoiceAgentError)
        for sound in pair
    ]
    spans = iter(finder.spans(channels))
    heard: list[Heard | VoiceAgentError] = []
    for sample, pair in zip(samples, sounds, strict=True):
        if isinstance(pair, VoiceAgentError):
            heard.append(pair)
        else:
            user, agent = next(spans), next(spans)
            heard.append(_heard(folder, sample, pair[1], in_seconds(user), agent))
    return heard


def _sounds(folder: RunFolder, sample: Sample) -> tuple[Sound, Sound] | VoiceAgentError:
    """Of user and agent."""
    path = folder.inside(sample.key, "output.wav")
    try:
        source, output = read_sound(sample.input_path()), read_sound(path)
    except VoiceAgentError as error:
        return error
    if abs(source.duration_s - output.duration_s) > _MOST_APART_S:
        return BenchError(
            f"{path}: lasts {output.duration_s:.2f} s, its input {source.duration_s:.2f} s; "
            "both must be on one clock"
        )
    return source, output


def _heard(
    folder: RunFolder,
    sample: Sample,
    output: Sound,
    user: list[Stretch],
    agent_spans: list[SampleSpan],
) -> Heard | VoiceAgentError:
    assert sample.annotation is not None, "a sample without fault has an annotation"
    try:
        recognised = folder.recognised(sample.key)
        words = None if recognised is None else recognised.words
        judged, not_judged = _verdict(folder, sample, words)
        return Heard(
            sample=sample,
            annotation=sample.annotation,
            words=words,
            meant=folder.own_words(sample.key) or words,
            output=output,
            user=user,
            agent_spans=agent_spans,
            clean=voice.read_clean(folder, sample),
            verdict=verdict_of(sample),
            judged=judged,
            not_judged=not_judged,
        )
    except VoiceAgentError as error:
        return error


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
