"""Recorded speech that a session says in place of the model: a greeting, "I cannot hear you".

To the user, to turn-taking and to the record it is the agent's: it takes the floor, an interruption
ends it, a backchannel does not. Meanwhile the model is held silent, or may break in with a word of
its own. Pure: 80 ms a step, taken by the engine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from voiceagent.audio.framing import FRAME_SAMPLES, Samples
from voiceagent.serving.gain import with_gain
from voiceagent.turntaking.config import MAX_RESUME_FRAMES

#: A minute; what is beyond is not said.
MAX_FRAMES = 750


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class AnnouncedFrame:
    """80 ms of an announcement.

    Attributes:
        pcm: float32 [1920], 24 kHz.
        said: words that begin here, each with a leading space.
        is_first: of its announcement: one that is being said is broken off for it.
        is_held: the model is silent meanwhile; otherwise its first word ends the announcement.
    """

    pcm: Samples
    said: str | None = None
    is_first: bool = False
    is_held: bool = True


class Announcement:
    """What one session has still to say. Next: `add` frames; each step `take` one."""

    def __init__(self) -> None:
        self._frames: list[AnnouncedFrame] = []
        self._next = 0
        self._untold = 0  # words of the frames from here on were not told yet

    @property
    def is_playing(self) -> bool:
        """Whether the next step's sound is an announcement's."""
        return self._next < len(self._frames)

    @property
    def is_held(self) -> bool:
        """Whether the model must be silent in the next step."""
        return self.is_playing and self._frames[self._next].is_held

    def add(self, frame: AnnouncedFrame) -> None:
        """Append a frame, or begin another announcement with it."""
        if frame.is_first:
            self.drop()
        if len(self._frames) < MAX_FRAMES:
            self._frames.append(frame)

    def take(self, model: Samples, *, is_word: bool = False) -> tuple[Samples, bool]:
        """The sound of this step, and whether it is an announcement's.

        Args:
            model: the model's, float32 [1920]; fades out where an announcement begins.
            is_word: whether a word of the model begins in it.
        """
        is_first = self._next == 0
        frame = self._frames[self._next] if self.is_playing else None
        self._next += 1
        if self._next > len(self._frames) + MAX_RESUME_FRAMES:
            self.drop()  # can no more be taken back
        if frame is None:
            return model, False
        if is_word and not frame.is_held:
            self.drop()
            return model + with_gain(frame.pcm, 1.0, 0.0), False
        return (frame.pcm + with_gain(model, 1.0, 0.0) if is_first else frame.pcm), True

    def tell(self) -> str | None:
        """The words that begin in the frame just taken, unless they were told before."""
        place = self._next - 1
        if not self._untold <= place < len(self._frames):
            return None
        self._untold = place + 1
        return self._frames[place].said

    def take_back(self, steps: int) -> None:
        """Say again what was said in the last steps, as far as it was an announcement's."""
        self._next = max(0, self._next - steps)

    def drop(self) -> None:
        """Say no more of it."""
        self._frames.clear()
        self._next = self._untold = 0


def announced_frames(pcm: Samples, text: str, *, is_held: bool) -> Iterator[AnnouncedFrame]:
    """Cut an announcement into frames.

    Args:
        pcm: float32 [N], 24 kHz; the last frame is filled up with silence.
        text: its words; they are told one after another, in time with their letters.
        is_held: see `AnnouncedFrame`.
    """
    padded = np.pad(pcm, (0, -pcm.size % FRAME_SAMPLES)).astype(np.float32, copy=False)
    count = padded.size // FRAME_SAMPLES
    told: list[str] = [""] * count
    for begin, word in _placed(text.split()) if count else ():
        told[int(begin * count)] += f" {word}"
    for place, said in enumerate(told):
        frame = padded[place * FRAME_SAMPLES : (place + 1) * FRAME_SAMPLES]
        yield AnnouncedFrame(frame, said or None, place == 0, is_held)


def _placed(words: list[str]) -> Iterator[tuple[float, str]]:
    """Each word with the share of all letters before it, 0 to below 1."""
    letters = sum(len(word) for word in words)
    before = 0
    for word in words:
        yield before / letters, word
        before += len(word)
