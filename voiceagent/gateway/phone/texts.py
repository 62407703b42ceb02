"""Words and state of a call for all in its room: LiveKit's text streams and attributes.

Sending waits for the server, so it has a task of its own and a queue with a bound: what cannot be
told in time is left out, and no sound waits for it. The user's text goes out whole whenever it
grows, the agent's as it is spoken, as LiveKit's own agents send them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from livekit import rtc

from voiceagent.gateway.phone.leg import Leg
from voiceagent.gateway.phone.secrets import redact
from voiceagent.gateway.phone.transcript import FINAL, SEGMENT, TOPIC, TRACK, Piece

MAX_WAITING = 64
SEND_WITHIN_S = 2.0

_log = logging.getLogger(__name__)


class Texts:
    """Next: `run` as a task; `tell` and `set` from anywhere."""

    def __init__(self, leg: Leg) -> None:
        #: Where texts go.
        self.leg = leg
        #: News that nobody was told.
        self.dropped = 0
        self._news: asyncio.Queue[Piece | dict[str, str]] = asyncio.Queue(MAX_WAITING)
        self._writers: dict[str, rtc.TextStreamWriter] = {}

    def tell(self, pieces: Iterable[Piece]) -> None:
        """Have words sent."""
        for piece in pieces:
            self._put(piece)

    def set(self, name: str, value: str) -> None:
        """Have an attribute of the agent set."""
        self._put({name: value})

    def move(self, leg: Leg) -> None:
        """Go on in another room; what was begun in the last one stays unfinished there."""
        self.leg = leg
        self._writers.clear()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._send(await self._news.get())

    async def flush(self) -> None:
        """Send what waits."""
        while not self._news.empty():
            await self._send(self._news.get_nowait())

    def _put(self, news: Piece | dict[str, str]) -> None:
        if self._news.full():
            self._news.get_nowait()
            self.dropped += 1
        self._news.put_nowait(news)

    async def _send(self, news: Piece | dict[str, str]) -> None:
        if not self.leg.room.isconnected():
            self.dropped += 1
            return
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                if isinstance(news, dict):
                    await self.leg.set_attributes(news)
                elif news.side == "agent":
                    await self._send_agent(news)
                else:
                    await self._send_user(news)
        except (rtc.StreamError, RuntimeError, TimeoutError) as error:
            self.dropped += 1
            _log.info("room %s was not told: %s", self.leg.room_name, redact(str(error)))

    async def _send_user(self, piece: Piece) -> None:
        caller = self.leg.caller
        writer = await self.leg.room.local_participant.stream_text(
            topic=TOPIC,
            attributes={SEGMENT: piece.segment, FINAL: str(piece.is_final).lower()},
            sender_identity=caller.identity if caller else None,
        )
        await writer.write(piece.text)
        await writer.aclose()

    async def _send_agent(self, piece: Piece) -> None:
        writer = self._writers.get(piece.segment)
        if writer is None:
            writer = await self.leg.room.local_participant.stream_text(
                topic=TOPIC,
                attributes={SEGMENT: piece.segment, FINAL: "false", TRACK: self.leg.track_sid},
            )
            self._writers[piece.segment] = writer
            await writer.write(piece.text)
        elif piece.added:
            await writer.write(piece.added)
        if piece.is_final:
            del self._writers[piece.segment]
            await writer.aclose(attributes={FINAL: "true"})
