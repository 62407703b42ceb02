"""A recording of a run to look at and to listen to: its ribbon, and both sides as stereo sound.

The ribbon is that of a live session's report, drawn from the two files; what only a model of ours
could tell stays blank.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.audio.level import rms_dbfs
from voiceagent.bench.conversation import conversation_of
from voiceagent.bench.sound import fit, read_sound
from voiceagent.bench.speech import RATE_HZ, SpeechFinder
from voiceagent.bench.suite import Sample
from voiceagent.bench.transcript import TimedWord
from voiceagent.records.axes import measure
from voiceagent.records.page import escape
from voiceagent.records.ribbon import ribbon
from voiceagent.records.schema import TraceFrame


def player(sample: Sample, output: Path, words: Sequence[TimedWord], finder: SpeechFinder) -> str:
    """HTML of one recording.

    Args:
        sample: whose annotation becomes labels.
        output: the agent's sound.
        words: of the agent; may be empty.
        finder: the detector.

    Raises:
        AudioFileError: a file cannot be read.
    """
    assert sample.annotation is not None, "a scored sample has an annotation"
    source, reply = read_sound(sample.input_path()), read_sound(output)
    user, agent = source.at(SAMPLE_RATE_HZ), reply.at(SAMPLE_RATE_HZ)
    of_user, of_agent = finder.stretches([source.at(RATE_HZ), reply.at(RATE_HZ)])
    talk = conversation_of(
        sample.task, sample.annotation, of_user, of_agent, words, reply.duration_s
    )
    drawn = ribbon(trace_of(user, agent, words, _heard(sample)), talk, measure(talk), 0)
    return f"{_audio(user, agent, sample.key)}{drawn}"


def trace_of(
    user: Samples, agent: Samples, said: Sequence[TimedWord], heard: Sequence[TimedWord]
) -> list[TraceFrame]:
    """Levels and words of two sounds, frame by frame; the rest is unknown."""
    count = -(-max(len(user), len(agent)) // FRAME_SAMPLES)
    sides = [fit(pcm, count * FRAME_SAMPLES).reshape(-1, FRAME_SAMPLES) for pcm in (user, agent)]
    return [
        TraceFrame(
            step=step,
            time_ms=step * FRAME_MS,
            user_dbfs=rms_dbfs(sides[0][step]),
            agent_dbfs=rms_dbfs(sides[1][step]),
            said=_in_frame(said, step),
            heard=_in_frame(heard, step),
            p_pad=math.nan,
            p_epad=math.nan,
            entropy=math.nan,
            is_gated=False,
            step_us=0,
            lag_us=0,
        )
        for step in range(count)
    ]


def _in_frame(words: Sequence[TimedWord], step: int) -> str | None:
    begin_s, end_s = step * FRAME_MS / 1000, (step + 1) * FRAME_MS / 1000
    inside = [f" {word.text.strip()}" for word in words if begin_s <= word.start_s < end_s]
    return "".join(inside) or None


def _heard(sample: Sample) -> list[TimedWord]:
    """What the script has the user say; of official recordings nothing is known."""
    scene = sample.annotation.scene if sample.annotation else None
    events = [event for event in scene.events if event.channel != "agent"] if scene else []
    return [TimedWord(w.text, w.start_ms / 1000, None) for event in events for w in event.words]


def _audio(user: Samples, agent: Samples, label: str) -> str:
    """User on the left, agent on the right, as MP3 in the page."""
    length = max(len(user), len(agent))
    buffer = io.BytesIO()
    stereo = np.stack([fit(user, length), fit(agent, length)], axis=1)
    soundfile.write(buffer, stereo, SAMPLE_RATE_HZ, format="MP3")
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<audio controls preload="none" aria-label="{escape(label)}, user left, agent right" '
        f'src="data:audio/mpeg;base64,{data}"></audio>'
    )
