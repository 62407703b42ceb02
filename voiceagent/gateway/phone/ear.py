"""The caller's sound on its way in: bounded, timed, and noticed where there is none.

Pure: `phone.leg` brings 20 ms frames as LiveKit gives them, whoever holds the conversation takes
what waits. LiveKit's own queue drops the oldest without saying so, and the event loop hands over
what came during a stall at once: so the bound that counts is here.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.audio.level import rms_dbfs

#: An event of LiveKit each; a frame of the conversation is whole no sooner with shorter ones.
FRAME_MS = 20
#: Sound that may wait for the conversation, as from a browser: 200 ms.
MAX_WAITING_FRAMES = 200 // FRAME_MS
#: What a muted telephone sends, within the last bit of 16; any open microphone is above.
DIGITAL_SILENCE_DBFS = -85.0
#: Frames are as late as they are compared with the earliest of so many seconds.
WINDOW_US = 5_000_000


class Ear:
    """Next: `hear` each frame as it comes, `take` what waits soon after."""

    def __init__(self) -> None:
        #: Frames of 20 ms that waited too long and were thrown away.
        self.dropped_frames = 0
        self.frames = 0
        #: How late the last frame was, and the latest.
        self.age_us = 0
        self.max_age_us = 0
        #: When anything but digital silence was heard last; None: never.
        self.heard_us: int | None = None
        self._waiting: deque[Samples] = deque()
        self._ages = FrameAges()

    def hear(self, pcm: Samples, now_us: int) -> bool:
        """Take a frame, float32 [N]; True where nothing waited before it."""
        self.frames += 1
        self.age_us = self._ages.add(now_us, pcm.size * 1_000_000 // SAMPLE_RATE_HZ)
        self.max_age_us = max(self.max_age_us, self.age_us)
        if rms_dbfs(pcm) > DIGITAL_SILENCE_DBFS:
            self.heard_us = now_us
        is_first = not self._waiting
        if len(self._waiting) == MAX_WAITING_FRAMES:
            self._waiting.popleft()
            self.dropped_frames += 1
        self._waiting.append(pcm)
        return is_first

    def take(self) -> Samples:
        """All that waits: float32 [N], oldest first."""
        pieces = list(self._waiting) or [np.zeros(0, np.float32)]
        self._waiting.clear()
        return np.concatenate(pieces)

    def restart(self) -> None:
        """Another stream of frames begins: its timing has nothing to do with the last one's."""
        self._ages = FrameAges()


class FrameAges:
    """How late frames are, by how late they were before. Next: `add` each as it comes."""

    def __init__(self) -> None:
        self._stream_us = 0
        self._earliest: deque[tuple[int, int]] = deque()

    def add(self, now_us: int, duration_us: int) -> int:
        """How much later this frame came than the earliest of the last seconds would have."""
        self._stream_us += duration_us
        offset_us = now_us - self._stream_us
        # a queue of minima: what is later than a newer one can never be the earliest again
        while self._earliest and self._earliest[-1][1] >= offset_us:
            self._earliest.pop()
        self._earliest.append((now_us, offset_us))
        while self._earliest[0][0] < now_us - WINDOW_US:
            self._earliest.popleft()
        return offset_us - self._earliest[0][1]
