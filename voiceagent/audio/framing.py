"""Samples of any length in, whole 80 ms frames out.

Pure bookkeeping: no clock, no loss handling (that is the jitter buffer's work). State is one
`FrameAssembler` per session. Samples are float32 mono at 24 kHz throughout.
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 24_000
PACKET_MS = 20
FRAME_MS = 80
PACKET_SAMPLES = SAMPLE_RATE_HZ * PACKET_MS // 1000
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000

Samples: TypeAlias = npt.NDArray[np.float32]


class FrameAssembler:
    """Collects samples into frames behind a bounded queue.

    When the queue is full the oldest frame is dropped and counted: a conversation must stay at the
    present, so late sound is worth less than new sound. Next: `push`, then `pop` while `ready`.
    """

    def __init__(self, max_frames: int) -> None:
        if max_frames < 1:
            raise ValueError(f"max_frames must be at least 1, not {max_frames}")
        self._frames: deque[Samples] = deque()
        self._max_frames = max_frames
        self._partial = np.empty(FRAME_SAMPLES, np.float32)
        self._filled_samples = 0
        #: Frames dropped because nobody popped them in time.
        self.dropped_frames = 0

    @property
    def ready(self) -> int:
        """Complete frames waiting."""
        return len(self._frames)

    def push(self, pcm: Samples) -> None:
        """Append float32 [N] samples, any N.

        Raises:
            ValueError: not a one-dimensional float32 array.
        """
        if pcm.ndim != 1 or pcm.dtype != np.float32:
            raise ValueError(f"samples are float32 [N], not {pcm.dtype} {list(pcm.shape)}")
        while pcm.size:
            taken = min(pcm.size, FRAME_SAMPLES - self._filled_samples)
            self._partial[self._filled_samples : self._filled_samples + taken] = pcm[:taken]
            self._filled_samples += taken
            pcm = pcm[taken:]
            if self._filled_samples == FRAME_SAMPLES:
                self._complete()

    def pop(self) -> Samples:
        """The oldest complete frame, float32 [FRAME_SAMPLES]."""
        return self._frames.popleft()

    def _complete(self) -> None:
        if len(self._frames) == self._max_frames:
            self._frames.popleft()
            self.dropped_frames += 1
        self._frames.append(self._partial)
        self._partial = np.empty(FRAME_SAMPLES, np.float32)
        self._filled_samples = 0
