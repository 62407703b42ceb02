"""Opus, one 20 ms packet at a time: the wire format of WebRTC speech.

The encoder takes 24 kHz as it is, so nothing is resampled on the way out and one packet in is one
packet out. The decoder gives libopus's native 48 kHz. Both carry state: one of each per stream.
Not here: RTP, loss, resampling.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from voiceagent.audio.framing import PACKET_MS, PACKET_SAMPLES, SAMPLE_RATE_HZ, Samples

#: Ticks of the RTP clock, whatever rate the sound has (RFC 7587 section 4.1).
RTP_RATE_HZ = 48_000
DECODED_RATE_HZ = 48_000
#: A packet may not be longer than this (RFC 6716 section 2.1.4).
MAX_PACKET_MS = 120
BIT_RATE = 48_000


class OpusEncoder:
    """Next: `encode` each 20 ms in order."""

    def __init__(self) -> None:
        self._codec = av.AudioCodecContext.create("libopus", "w")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = SAMPLE_RATE_HZ
        self._codec.bit_rate = BIT_RATE
        self._codec.time_base = Fraction(1, SAMPLE_RATE_HZ)
        self._codec.options = {"application": "voip", "frame_duration": str(PACKET_MS)}

    def encode(self, pcm: Samples) -> bytes:
        """One packet from float32 [PACKET_SAMPLES] at 24 kHz, -1 to 1.

        Raises:
            ValueError: another length.
        """
        if pcm.shape != (PACKET_SAMPLES,):
            raise ValueError(f"an Opus packet is float32 [{PACKET_SAMPLES}], not {pcm.shape}")
        frame = av.AudioFrame.from_ndarray(to_int16(pcm)[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


class OpusDecoder:
    """Next: `decode` each packet in order."""

    def __init__(self) -> None:
        self._codec = av.AudioCodecContext.create("libopus", "r")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = DECODED_RATE_HZ
        #: Packets that were no Opus.
        self.bad_packets = 0

    def decode(self, payload: bytes) -> Samples:
        """Sound of one packet: float32 [N] at 48 kHz; empty for one that is no Opus."""
        try:
            frames = self._codec.decode(av.Packet(payload)) if payload else []
        except av.FFmpegError:
            self.bad_packets += 1
            return np.empty(0, np.float32)
        if not frames:
            return np.empty(0, np.float32)
        return np.concatenate([from_int16(frame.to_ndarray()[0]) for frame in frames])


def to_int16(pcm: Samples) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Float samples as 16 bits, clipped; what is not finite becomes silence."""
    scaled = pcm * 32767.0
    if not np.isfinite(scaled).all():
        scaled = np.nan_to_num(scaled, nan=0.0, posinf=32767.0, neginf=-32768.0)
    return np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)


def from_int16(pcm: np.ndarray[tuple[int], np.dtype[np.int16]]) -> Samples:
    """16-bit samples as float32, -1 to 1."""
    return pcm.astype(np.float32) / np.float32(32768.0)
