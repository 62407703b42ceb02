"""The track that aiortc sends to a peer: Opus packets of the playout buffer, by the clock.

Encodes here, 24 kHz mono, in place of aiortc's 48 kHz stereo encoder in a thread: nothing is
resampled, and the number of the packet is its RTP time, so that a skip is a hole for the peer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from voiceagent.audio.framing import (
    FRAME_SAMPLES,
    PACKET_MS,
    PACKET_SAMPLES,
    SAMPLE_RATE_HZ,
    Samples,
)
from voiceagent.audio.opus import OpusEncoder
from voiceagent.clock import Clock, MonotonicClock
from voiceagent.gateway.playout import Pacer, PlayoutBuffer, PlayoutCounts

#: Packets whose content is remembered for the listener's reports: five seconds.
REMEMBERED_PACKETS = 5000 // PACKET_MS


class PlayoutTrack(MediaStreamTrack):
    """Next: `push` from the pipeline; aiortc calls `recv` until `stop`."""

    kind = "audio"

    def __init__(
        self,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__()
        self._clock = clock or MonotonicClock()
        self._sleep = sleep
        self._pacer = Pacer()
        self._buffer = PlayoutBuffer()
        self._encoder = OpusEncoder()
        self._generation = 0
        # where in the agent's sound the queue ends, and where each packet sent did
        self._end_samples = 0
        self._sent: deque[tuple[int, int]] = deque(maxlen=REMEMBERED_PACKETS)

    @property
    def counts(self) -> PlayoutCounts:
        """Sound dropped, skipped, missing."""
        return self._buffer.counts

    @property
    def queued_ms(self) -> int:
        """Sound that waits to be sent."""
        return self._buffer.queued_ms

    def push(self, pcm: Samples, step: int | None = None, generation: int = 0) -> None:
        """Append sound; without effect before the first `recv`.

        Args:
            pcm: float32 [N], 24 kHz.
            step: of the session that made it, where it is a frame of the agent's.
            generation: a newer one than the last makes void what waits.
        """
        if not self._pacer.has_begun:
            return
        self._end_samples += pcm.size
        if step is not None:  # frames may be missing between two
            self._end_samples = (step + 1) * FRAME_SAMPLES
        if generation > self._generation:
            self._generation = generation
            self._buffer.flush(pcm)
        else:
            self._buffer.push(pcm)

    def heard_ms(self, played_ms: int) -> int:
        """How much of the agent's sound a listener has had who has played so much of this track."""
        packets = played_ms // PACKET_MS
        heard = [end for number, end in self._sent if number < packets]
        return (heard[-1] if heard else 0) * 1000 // SAMPLE_RATE_HZ

    async def recv(self) -> av.Packet[Any]:
        """The next 20 ms as an Opus packet, when it is due.

        Raises:
            MediaStreamError: the track was stopped.
        """
        wait_us = self._pacer.wait_us(self._clock.now_us())
        if wait_us:
            await self._sleep(wait_us / 1e6)
        if self.readyState != "live":
            raise MediaStreamError
        number, skipped = self._pacer.take(self._clock.now_us())
        self._buffer.counts.skipped_packets += skipped
        packet: av.Packet[Any] = av.Packet(self._encoder.encode(self._buffer.take()))
        self._sent.append((number, self._end_samples - self._buffer.queued_samples))
        packet.pts = number * PACKET_SAMPLES
        packet.time_base = Fraction(1, SAMPLE_RATE_HZ)
        return packet
