"""RTP packets of one microphone in, gapless 24 kHz sound out.

Takes the place of aiortc's audio jitter buffer, which delays every packet by 80 ms and, after the
first loss, by 280 ms for ever (measured 2026-11-21), and of its decoder thread with an unbounded
queue. The sound that comes out is as long as the time that passed, whatever was lost. No Pipecat.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from aiortc import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.audio.jitter import JitterBuffer, JitterCounts, TimestampClock
from voiceagent.audio.opus import DECODED_RATE_HZ, RTP_RATE_HZ, OpusDecoder
from voiceagent.gateway.resample import Resampler

#: After this long without a frame the engine feeds itself silence.
MAX_FILL_MS = 160
#: The last sound is repeated and faded over this long where a packet is missing.
FADE_SAMPLES = DECODED_RATE_HZ * 20 // 1000
#: aiortc has no public way to replace its jitter buffer; `attach` fails loudly if it is renamed.
JITTER_BUFFER_FIELD = "_RTCRtpReceiver__jitter_buffer"


class InboundAudio:
    """Next: `receive` each packet as it arrives."""

    def __init__(self) -> None:
        self._jitter: JitterBuffer[tuple[int, bytes]] = JitterBuffer()
        self._clock = TimestampClock(RTP_RATE_HZ * MAX_FILL_MS // 1000)
        self._decoder = OpusDecoder()
        self._resampler = Resampler(DECODED_RATE_HZ, SAMPLE_RATE_HZ)
        self._last = np.zeros(FADE_SAMPLES, np.float32)
        self._concealed_ticks = 0

    @property
    def counts(self) -> JitterCounts:
        """Packets received, lost, late."""
        return self._jitter.counts

    @property
    def concealed_ms(self) -> int:
        """Sound that was made up because its packet did not come."""
        return self._concealed_ticks * 1000 // RTP_RATE_HZ

    @property
    def bad_packets(self) -> int:
        """Packets that were no Opus."""
        return self._decoder.bad_packets

    def receive(self, sequence: int, timestamp: int, payload: bytes) -> Samples:
        """Take one RTP packet.

        Args:
            sequence: 16 bits.
            timestamp: 32 bits, 48 kHz.
            payload: one Opus packet.

        Returns:
            float32 [N], 24 kHz: what can be played on now; often 20 ms, empty while waiting.
        """
        released = self._jitter.add(sequence, (timestamp, payload))
        pieces = [piece for packet in released for piece in self._decode(*packet)]
        return self._resampler.push(np.concatenate(pieces or [np.empty(0, np.float32)]))

    def _decode(self, timestamp: int, payload: bytes) -> list[Samples]:
        sound = self._decoder.decode(payload)
        missing = self._clock.missing_before(timestamp, sound.size)
        self._concealed_ticks += missing
        filled = conceal(self._last, missing)
        if sound.size:
            self._last = sound[-FADE_SAMPLES:]
        return [filled, sound]


def conceal(last: Samples, count: int) -> Samples:
    """Sound for a hole: the last sound again, fading out, then silence.

    Args:
        last: float32 [N], what was heard before.
        count: samples to make.
    """
    filled = np.zeros(count, np.float32)
    length = min(count, last.size)
    filled[:length] = last[:length] * np.linspace(1, 0, length, dtype=np.float32)
    return filled


class _JitterBufferTap:
    """Stands where aiortc's jitter buffer stood; keeps every packet from its decoder."""

    def __init__(self, on_packet: Callable[[int, int, bytes], None]) -> None:
        self._on_packet = on_packet

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        self._on_packet(packet.sequence_number, packet.timestamp, packet.payload)
        return False, None


def attach(receiver: RTCRtpReceiver, on_packet: Callable[[int, int, bytes], None]) -> None:
    """Lead a receiver's packets to `on_packet(sequence, timestamp, payload)`.

    Raises:
        RuntimeError: this aiortc keeps its jitter buffer elsewhere.
    """
    state: dict[str, Any] = vars(receiver)
    if JITTER_BUFFER_FIELD not in state:
        raise RuntimeError(f"aiortc's RTCRtpReceiver has no {JITTER_BUFFER_FIELD} any more")
    state[JITTER_BUFFER_FIELD] = _JitterBufferTap(on_packet)
