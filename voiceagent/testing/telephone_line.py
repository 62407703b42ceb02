"""What a telephone line does to sound: real G.711 and G.722, packet by packet, states carried.

One `Line` per direction. PCMU and PCMA carry 8 kHz, G.722 carries 16 kHz in as many bits.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import av
import numpy as np

from voiceagent.audio.framing import Samples

Band = Literal["PCMU", "PCMA", "G722"]
_CODECS = {"PCMU": "pcm_mulaw", "PCMA": "pcm_alaw", "G722": "g722"}
RATES_HZ: dict[Band, int] = {"PCMU": 8_000, "PCMA": 8_000, "G722": 16_000}
_FULL_SCALE = 32_768


class Line:
    """One direction of a call. Next: `push` consecutive packets of one stream."""

    def __init__(self, band: Band) -> None:
        self.rate_hz = RATES_HZ[band]
        self._encoder, self._decoder = self._codec(band, "w"), self._codec(band, "r")
        self._encoder.time_base = Fraction(1, self.rate_hz)
        self._pushed_samples = 0

    def _codec(self, band: Band, way: Literal["r", "w"]) -> av.AudioCodecContext:
        codec = av.CodecContext.create(_CODECS[band], way)
        assert isinstance(codec, av.AudioCodecContext)
        codec.sample_rate, codec.layout, codec.format = self.rate_hz, "mono", "s16"
        codec.open()
        return codec

    def push(self, pcm: Samples) -> Samples:
        """The packet as the other end hears it.

        Args:
            pcm: float32 [N] at `rate_hz`, in -1 .. 1; whole packets of 20 ms.

        Returns:
            float32 [N] at the same rate, of the same time; G.722 is 22 samples (1.4 ms) late.
        """
        scaled = np.clip(np.rint(pcm * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
        frame = av.AudioFrame.from_ndarray(scaled.astype(np.int16)[None], "s16", "mono")
        frame.sample_rate, frame.pts = self.rate_hz, self._pushed_samples
        self._pushed_samples += pcm.size
        decoded = [
            piece.to_ndarray().reshape(-1)
            for packet in self._encoder.encode(frame)
            for piece in self._decoder.decode(packet)
        ]
        heard = np.concatenate(decoded).astype(np.float32)
        heard /= _FULL_SCALE
        return heard
