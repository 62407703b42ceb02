"""From a script to two channels of sound and their annotation.

The user's channel holds all that a microphone would pick up: the user, people in the background,
noise. The agent's channel is what a good agent would have said, for training and as a reference; a
live agent answers at its own time. The same script gives the same samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voiceagent.audio.framing import FRAME_MS, Samples
from voiceagent.scenes.acoustics import gain, low_pass, reverberate, room_response
from voiceagent.scenes.channel import SpeakerOf, hear
from voiceagent.scenes.scene import Event, Scene
from voiceagent.scenes.script import Line, Script
from voiceagent.scenes.seeds import child_rng
from voiceagent.scenes.speakers import speaker
from voiceagent.scenes.utterance import SAMPLES_PER_MS, Utterance, Word

# from the onset of an interruption to the agent's silence: what a good agent needs to hear it
YIELD_MS = 320

_FADE_MS = 20
_PEAK = (0.4, 0.6)
_TURNED_HZ, _FAR_HZ = 2500.0, 4000.0
_TURNED_WETNESS, _FAR_WETNESS = 0.1, 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Composed:
    """A script with its sound, before anything happens to the user channel as a whole.

    Attributes:
        spoken: what each line of the script says, uncut.
        spans: of each line, from its start to its end in ms; cut answers end earlier.
        user: clean f32[N] at 24 kHz, N a multiple of 1920.
        agent: f32[N].
    """

    spoken: tuple[Utterance, ...]
    spans: tuple[tuple[int, int], ...]
    user: Samples
    agent: Samples


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """A scene with its sound.

    Attributes:
        scene: the annotation.
        user: f32[N] at 24 kHz in [-1, 1], N a multiple of 1920: all the microphone picks up.
        agent: f32[N], the scripted answers.
    """

    scene: Scene
    user: Samples
    agent: Samples


def render(script: Script, speaker_of: SpeakerOf = speaker) -> Rendered:
    """Speak a script.

    Args:
        script: from `script.make_script` or `script.make_session`.
        speaker_of: id -> speaker.

    Raises:
        SynthesisUnavailable: a synthesiser that the script needs is not installed.
        ConfigError: there is no such speaker.
    """
    composed = compose(script, speaker_of)
    user = hear(composed.user, composed.agent, script.conditions, script.seed, speaker_of)
    return Rendered(_annotate(script, composed), user, composed.agent)


def compose(script: Script, speaker_of: SpeakerOf = speaker) -> Composed:
    """Speak the lines of a script, each at its time; raises like `render`."""
    spoken = [_said(line, speaker_of) for line in script.lines]
    spans = place(script.lines, [utterance.duration_ms for utterance in spoken])
    num_samples = _duration_ms(script, spans) * SAMPLES_PER_MS
    channels = {side: np.zeros(num_samples, np.float32) for side in ("user", "agent")}
    peak = float(child_rng(script.seed, "level").uniform(*_PEAK))
    for i, (line, utterance, span) in enumerate(zip(script.lines, spoken, spans, strict=True)):
        pcm = utterance.pcm[: (span[1] - span[0]) * SAMPLES_PER_MS]
        if line.channel == "agent":
            sound = _faded(pcm) if len(pcm) < len(utterance.pcm) else pcm
        else:
            sound = _at_microphone(line, pcm, peak, child_rng(script.seed, "room", str(i)))
        _add(channels["agent" if line.channel == "agent" else "user"], sound, span[0])
    agent = np.clip(channels["agent"], -1.0, 1.0)
    return Composed(tuple(spoken), tuple(spans), channels["user"], agent)


def place(lines: Sequence[Line], durations_ms: Sequence[int]) -> list[tuple[int, int]]:
    """Return when each line starts and ends, cut answers shortened.

    Args:
        lines: anchors before the lines that name them.
        durations_ms: of each line, uncut.
    """
    spans: list[tuple[int, int]] = []
    for line, length_ms in zip(lines, durations_ms, strict=True):
        anchor_ms = 0 if line.after is None else spans[line.after][1]
        start_ms = anchor_ms + line.offset_ms
        if line.cuts is not None:
            cut_start_ms, cut_end_ms = spans[line.cuts]
            silent_ms = max(start_ms + YIELD_MS, cut_start_ms)
            spans[line.cuts] = (cut_start_ms, min(cut_end_ms, silent_ms))
        spans.append((start_ms, start_ms + length_ms))
    return spans


def _said(line: Line, speaker_of: SpeakerOf) -> Utterance:
    whole = speaker_of(line.speaker).say(line.text, line.take)
    return whole if line.part is None else whole.part(*line.part)


def _duration_ms(script: Script, spans: Sequence[tuple[int, int]]) -> int:
    last_ms = max((end_ms for _, end_ms in spans), default=0)
    needed_ms = max(last_ms + script.tail_ms, script.min_duration_ms)
    return -(-needed_ms // FRAME_MS) * FRAME_MS


def _at_microphone(line: Line, pcm: Samples, peak: float, rng: np.random.Generator) -> Samples:
    if line.place == "turned":
        pcm = reverberate(low_pass(pcm, _TURNED_HZ), room_response(rng, _TURNED_WETNESS))
    elif line.place == "far":
        pcm = reverberate(low_pass(pcm, _FAR_HZ), room_response(rng, _FAR_WETNESS))
    loudest = max(float(np.abs(pcm).max()), 1e-6)  # after the room, which makes speech louder
    return gain(pcm * np.float32(peak / loudest), line.gain_db)


def _faded(pcm: Samples) -> Samples:
    num_samples = min(_FADE_MS * SAMPLES_PER_MS, len(pcm))
    ramp = np.ones(len(pcm), np.float32)
    ramp[len(pcm) - num_samples :] = np.linspace(1.0, 0.0, num_samples, dtype=np.float32)
    return pcm * ramp


def _add(channel: Samples, sound: Samples, start_ms: int) -> None:
    """Mix a sound into a channel, in place; a room's tail may be cut by the end of the scene."""
    into = channel[start_ms * SAMPLES_PER_MS :][: len(sound)]
    into += sound[: len(into)]


def _annotate(script: Script, composed: Composed) -> Scene:
    duration_ms = len(composed.user) // SAMPLES_PER_MS
    events = [
        Event(
            kind=line.kind,
            channel=line.channel,
            speaker=line.speaker,
            text=" ".join(line.text.split()[slice(*line.part)]) if line.part else line.text,
            start_ms=start_ms,
            end_ms=end_ms,
            words=_words(utterance, start_ms, end_ms),
            addressed=line.addressed,
        )
        for line, utterance, (start_ms, end_ms) in zip(
            script.lines, composed.spoken, composed.spans, strict=True
        )
    ]
    if script.conditions.noise_dbfs is not None:
        events.append(_noise_event(duration_ms))
    return Scene(
        id=script.id,
        scene_class=script.scene_class,
        seed=script.seed,
        duration_ms=duration_ms,
        events=tuple(sorted(events, key=lambda event: event.start_ms)),
        expected=script.expected,
    )


def _noise_event(duration_ms: int) -> Event:
    return Event(
        kind="noise",
        channel="background",
        speaker="noise",
        text="",
        start_ms=0,
        end_ms=duration_ms,
    )


def _words(utterance: Utterance, start_ms: int, end_ms: int) -> tuple[Word, ...]:
    """Words on the scene's clock; of a cut answer those that had begun."""
    return tuple(
        Word(word.text, start_ms + word.start_ms, min(start_ms + word.end_ms, end_ms))
        for word in utterance.words
        if start_ms + word.start_ms < end_ms
    )
