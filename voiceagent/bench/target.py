"""A system under test, as the bench sees it: a recording in, what it said out, on one clock.

Live targets (`moshi_target`, `webrtc_target`) are spoken to in real time over their own protocol;
those in this process (`cascade`) compute faster and put the time that they took on the clock.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from voiceagent.audio.framing import Samples
from voiceagent.records.conversation import SaidWord

#: Told how many more 80 ms frames of the recording have been said.
OnFrames: TypeAlias = Callable[[int], object]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reply:
    """What a target said to one recording.

    Attributes:
        pcm: f32[N] at 24 kHz, as long as the recording: sample n is what the caller hears while
            saying sample n.
        words: the target's own transcript of itself; empty where it tells none.
        notes: figures of how the conversation was held, units in their names; they tell whether a
            surprising score is the target's or the line's.
    """

    pcm: Samples
    words: tuple[SaidWord, ...] = ()
    notes: Mapping[str, int] = dataclasses.field(default_factory=dict)


class Target(Protocol):
    """A system under test. Next: `converse`, once per recording; each is a new conversation."""

    @property
    def name(self) -> str:
        """Its address, or what it is made of; for reports and errors."""

    async def converse(self, pcm: Samples, on_frames: OnFrames | None = None) -> Reply:
        """Hold one conversation. It ends with the recording.

        Args:
            pcm: float32 [N], 24 kHz: the caller's side.
            on_frames: for a progress bar.

        Raises:
            TargetError: it refused, died or stalled: one line with the reason. The next recording
                may be tried.
        """
