"""Recordings played to an engine, as many at once as it has slots, and what the agent made of them.

The agent's sound has the recording's clock, as in `voiceagent talk`: what it says in answer to a
frame carries the time of that frame. Live, the frame must be complete first, so all is heard 80 ms
and a step's duration later. Faster than real time; no clock, no pacing.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from voiceagent.audio.framing import FRAME_SAMPLES, PACKET_MS, PACKET_SAMPLES, Samples
from voiceagent.serving.config import SessionOptions
from voiceagent.serving.engine import Engine
from voiceagent.serving.session import Session, SessionFrame

#: A 20 ms packet of the agent's sound below this is silent; its speech lies around -20 dBFS.
SILENT_BELOW_DBFS = -40.0
#: So long a silence is no pause between words.
SILENCE_MS = 200


@dataclasses.dataclass(frozen=True, slots=True)
class SaidWord:
    """A word of either side: the agent's as it begins, the user's once it was understood."""

    text: str
    time_ms: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Playback:
    """What came of one recording.

    Attributes:
        agent: the agent's sound, f32[N] at 24 kHz, N a multiple of 1920.
        said: its words.
        heard: the user's words, as the model understood them.
        resumed_ms: when turn-taking had the agent take up again what it had broken off.
    """

    agent: Samples
    said: tuple[SaidWord, ...]
    heard: tuple[SaidWord, ...]
    resumed_ms: tuple[int, ...] = ()

    def said_text(self, start_ms: int = 0, end_ms: int | None = None) -> str:
        """Return what the agent began to say in a span of time."""
        return _text(self.said, start_ms, end_ms)

    def heard_text(self, start_ms: int = 0, end_ms: int | None = None) -> str:
        """Return what the model understood in a span of time."""
        return _text(self.heard, start_ms, end_ms)

    def silent_from_ms(self, after_ms: int) -> int | None:
        """Return when the agent falls silent for `SILENCE_MS` or to the end.

        Args:
            after_ms: the earliest answer, rounded up to 20 ms.

        Returns:
            The time, or None: it speaks to the end.
        """
        is_loud = np.append(self._loud_packets(), np.zeros(SILENCE_MS // PACKET_MS, np.bool_))
        num_packets = len(is_loud) - SILENCE_MS // PACKET_MS
        for packet in range(-(-after_ms // PACKET_MS), num_packets):
            if not is_loud[packet : packet + SILENCE_MS // PACKET_MS].any():
                return packet * PACKET_MS
        return None

    def sound_from_ms(self, after_ms: int = 0) -> int | None:
        """Return when the agent is first to be heard, not before `after_ms`; None is never."""
        first = -(-after_ms // PACKET_MS)
        loud = np.flatnonzero(self._loud_packets()[first:])
        return (first + int(loud[0])) * PACKET_MS if len(loud) else None

    def _loud_packets(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        packets = self.agent.reshape(-1, PACKET_SAMPLES)
        rms = np.sqrt(np.mean(np.square(packets, dtype=np.float64), axis=1))
        return np.asarray(rms >= 10 ** (SILENT_BELOW_DBFS / 20), np.bool_)


def play(
    engine: Engine,
    recordings: Sequence[Samples],
    on_frames: Callable[[int], object] | None = None,
    options: SessionOptions | None = None,
) -> list[Playback]:
    """Play each recording to a session of its own.

    Args:
        engine: with at least one free slot.
        recordings: f32[N] at 24 kHz each; the last frame is filled with silence.
        on_frames: told after every step how many frames it took, for a progress bar.
        options: of every session.

    Returns:
        One playback per recording, in the same order.

    Raises:
        ValueError: a recording is empty.
        PromptRefused: the role or voice that is asked for cannot be taken.
    """
    done = dict(play_each(engine, recordings, on_frames, options))
    return [done[index] for index in range(len(done))]


def play_each(
    engine: Engine,
    recordings: Iterable[Samples],
    on_frames: Callable[[int], object] | None = None,
    options: SessionOptions | None = None,
) -> Iterator[tuple[int, Playback]]:
    """Play recordings like `play`, and give each playback as soon as it is done.

    Args:
        engine: with at least one free slot.
        recordings: taken when a slot is free for them.
        on_frames: see `play`.
        options: see `play`.

    Yields:
        Index of a recording, and its playback; shorter recordings come before longer ones.

    Raises:
        ValueError: a recording is empty.
        PromptRefused: the role or voice that is asked for cannot be taken.
    """
    waiting = (_Track(index, _frames(pcm)) for index, pcm in enumerate(recordings))
    playing: dict[Session, _Track] = {}
    while True:
        while engine.num_free and (track := next(waiting, None)) is not None:
            playing[_opened(engine, options)] = track
        if not playing:
            return
        for session, track in playing.items():
            session.push(track.frames.popleft())
        answers = engine.step()
        for answer in answers:
            playing[answer.session].answers.append(answer)
        if on_frames is not None:
            on_frames(len(answers))
        for session in [session for session, track in playing.items() if not track.frames]:
            engine.close(session)
            track = playing.pop(session)
            yield track.index, _playback(track.answers)


def _opened(engine: Engine, options: SessionOptions | None) -> Session:
    """A session that hears: nobody waits here while its prompt is fed."""
    session = engine.open_session(options)
    while session.is_preparing:
        engine.prepare()
    return session


@dataclasses.dataclass(slots=True)
class _Track:
    """A recording on its way through a session."""

    index: int
    frames: deque[Samples]
    answers: list[SessionFrame] = dataclasses.field(default_factory=list)


def _frames(pcm: Samples) -> deque[Samples]:
    if not len(pcm):
        raise ValueError("recordings: one holds no samples")
    padded = np.pad(pcm, (0, -len(pcm) % FRAME_SAMPLES))
    return deque(padded.reshape(-1, FRAME_SAMPLES))


def _playback(answers: Sequence[SessionFrame]) -> Playback:
    return Playback(
        agent=np.concatenate([answer.pcm for answer in answers]),
        said=tuple(SaidWord(a.said.strip(), a.time_ms) for a in answers if a.said is not None),
        heard=tuple(SaidWord(a.heard.strip(), a.time_ms) for a in answers if a.heard is not None),
        resumed_ms=tuple(a.time_ms for a in answers if _is_resumed(a)),
    )


def _is_resumed(answer: SessionFrame) -> bool:
    turn = answer.turn
    return turn is not None and turn["policy"] == "on" and turn["row"]["decision"]["is_resume"]


def _text(words: Sequence[SaidWord], start_ms: int, end_ms: int | None) -> str:
    return " ".join(
        word.text
        for word in words
        if start_ms <= word.time_ms and (end_ms is None or word.time_ms < end_ms)
    )
