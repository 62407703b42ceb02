"""Brings a mouth's sound to a leg, 20 ms each 20 ms by the clock.

From the first packet on: what is sent ahead of time stays as delay in the mixer of livekit-sip
until the call ends (measured 2026-11-21). So a packet that is late is skipped, never sent in a
burst.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from voiceagent.audio.framing import PACKET_MS
from voiceagent.clock import Clock
from voiceagent.errors import RoomError
from voiceagent.gateway.phone.leg import Leg
from voiceagent.gateway.phone.mouth import Mouth
from voiceagent.gateway.playout import Pacer

#: From here to the caller's ear: 88 to 118 ms to its RTP packet, and what its telephone buffers.
OUT_LAG_MS = 120
REPORT_EVERY_PACKETS = 240 // PACKET_MS

_log = logging.getLogger(__name__)


class Speaker:
    """Next: set `leg`; `run` until cancelled."""

    def __init__(self, mouth: Mouth, clock: Clock) -> None:
        self.mouth = mouth
        #: Where sound goes; None: nowhere, and time goes on.
        self.leg: Leg | None = None
        #: Called, a few times a second, with how much of the agent the caller has heard.
        self.on_heard: Callable[[int], None] = lambda heard_ms: None
        self._clock = clock
        self._pacer = Pacer()

    async def run(self) -> None:
        """Send until cancelled; a leg that takes no more sound is left alone."""
        while True:
            # also where it is late: nobody else would have a turn meanwhile
            await asyncio.sleep(self._pacer.wait_us(self._clock.now_us()) / 1e6)
            number, skipped = self._pacer.take(self._clock.now_us())
            self.mouth.playout.counts.skipped_packets += skipped
            packet = self.mouth.take(number)
            if (leg := self.leg) is not None:
                try:
                    await leg.send(packet)
                except RoomError as error:
                    _log.warning("%s", error)
                    self.leg = None
            if number % REPORT_EVERY_PACKETS == 0:
                heard_ms = self.mouth.playout.heard_ms(number * PACKET_MS - OUT_LAG_MS)
                self.on_heard(heard_ms)

    async def finish(self) -> None:
        """Wait until the announcement has been sent, and some more for it to arrive."""
        await asyncio.sleep((self.mouth.left_ms + OUT_LAG_MS) / 1000)
