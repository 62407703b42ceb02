"""The track that aiortc sends to a peer: Opus packets of the playout buffer, by the clock.

Encodes here, 24 kHz mono, in place of aiortc's 48 kHz stereo encoder in a thread: nothing is
resampled, and the number of the packet is its RTP time, so that a skip is a hole for the peer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from voiceagent.audio.framing import PACKET_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.audio.opus import OpusEncoder
from voiceagent.clock import Clock, MonotonicClock
from voiceagent.gateway.playout import AgentPlayout, Pacer, PlayoutCounts


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
        self._playout = AgentPlayout()
        self._encoder = OpusEncoder()

    @property
    def counts(self) -> PlayoutCounts:
        """Sound dropped, skipped, missing."""
        return self._playout.counts

    @property
    def queued_ms(self) -> int:
        """Sound that waits to be sent."""
        return self._playout.queued_ms

    def push(self, pcm: Samples, step: int | None = None, generation: int = 0) -> None:
        """Append sound, see `AgentPlayout.push`; without effect before the first `recv`."""
        if self._pacer.has_begun:
            self._playout.push(pcm, step, generation)

    def heard_ms(self, played_ms: int) -> int:
        """How much of the agent's sound a listener has had who has played so much of this track."""
        return self._playout.heard_ms(played_ms)

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
        self._playout.counts.skipped_packets += skipped
        packet: av.Packet[Any] = av.Packet(self._encoder.encode(self._playout.take(number)))
        packet.pts = number * PACKET_SAMPLES
        packet.time_base = Fraction(1, SAMPLE_RATE_HZ)
        return packet
