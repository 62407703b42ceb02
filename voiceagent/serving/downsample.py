"""Whole frames of 24 kHz sound at 16 or 8 kHz, slot by slot, delayed by less than a millisecond.

For detectors only: `soxr` streams withhold more sound than a detector may wait for. A windowed
sinc of 33 taps, one filter per output phase, applied to all slots at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from voiceagent.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ

Batch = npt.NDArray[np.float32]

TAPS = 33
#: Part of the new band that is kept; the rest is the slope of the filter.
_PASSED = 0.9


class Downsampler:
    """See the module's docstring. Next: `begin` when a slot gets a session, then `frames`."""

    def __init__(self, rate_hz: Literal[8000, 16000], num_slots: int) -> None:
        self.rate_hz = rate_hz
        up = 2 if rate_hz == 16_000 else 1  # outputs for every three samples
        self._filters = np.stack([_filter(rate_hz, 3 * phase / up) for phase in range(up)], axis=1)
        self._tails = np.zeros((num_slots, TAPS - 1), np.float32)

    @property
    def frame_samples(self) -> int:
        """Samples of a frame at the new rate."""
        return FRAME_SAMPLES * self.rate_hz // SAMPLE_RATE_HZ

    def begin(self, slot: int) -> None:
        """Forget a slot's sound."""
        self._tails[slot] = 0

    def frames(self, slots: Sequence[int], pcm: Batch) -> Batch:
        """One frame per slot.

        Args:
            slots: of the rows, each at most once.
            pcm: float32 [B, 1920] at 24 kHz.

        Returns:
            float32 [B, frame_samples], 16 samples of 24 kHz late.
        """
        joined = np.concatenate((self._tails[slots], pcm), axis=1)
        self._tails[slots] = joined[:, -(TAPS - 1) :]
        windows = np.lib.stride_tricks.sliding_window_view(joined, TAPS, axis=1)[:, ::3]
        return (windows @ self._filters).reshape(len(slots), -1)


def _filter(rate_hz: int, offset_samples: float) -> Batch:
    """Low-pass read `offset_samples` after its middle: float32 [TAPS], unit gain."""
    cutoff = _PASSED * rate_hz / SAMPLE_RATE_HZ
    at = np.arange(TAPS) - TAPS // 2 - offset_samples
    # the window moves with the middle, and ends there
    window = np.where(np.abs(at) <= TAPS // 2 + 2, np.cos(np.pi * at / (TAPS + 5)) ** 2, 0)
    taps = np.sinc(cutoff * at) * window
    return np.asarray(taps / taps.sum(), np.float32)
