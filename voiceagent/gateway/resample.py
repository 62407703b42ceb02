"""Sample rates at the gateway's edges: swresample with carried state and a constant delay.

It withholds 0.7 ms between 48 and 24 kHz and 2 ms from 8 kHz, always the same, where soxr's streams
release in blocks of up to 150 ms (measured 2026-11-21). One `Resampler` per stream and direction.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from voiceagent.audio.framing import Samples


class Resampler:
    """Next: `push` consecutive pieces of one stream."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._pushed_samples = 0
        self._swresample = av.AudioResampler("flt", "mono", to_hz)

    def push(self, pcm: Samples) -> Samples:
        """The sound at the other rate, as far as it can be known.

        Args:
            pcm: float32 [N] at `from_hz`, any N.

        Returns:
            float32 [M] at `to_hz`; over a stream M / N tends to `to_hz` / `from_hz`.
        """
        if self.from_hz == self.to_hz or not pcm.size:
            return pcm
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(pcm)[None], format="flt", layout="mono"
        )
        frame.sample_rate = self.from_hz
        frame.pts = self._pushed_samples
        frame.time_base = Fraction(1, self.from_hz)
        self._pushed_samples += pcm.size
        pieces = [piece.to_ndarray()[0] for piece in self._swresample.resample(frame)]
        return np.concatenate(pieces) if pieces else np.empty(0, np.float32)
