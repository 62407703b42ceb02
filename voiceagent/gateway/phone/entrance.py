"""The way into a LiveKit room, once, within a time, with an error that holds no token."""

from __future__ import annotations

import asyncio
import logging

from livekit import rtc

from voiceagent.errors import RoomError
from voiceagent.gateway.phone.secrets import redact

CONNECT_WITHIN_S = 10.0
LEAVE_WITHIN_S = 2.0
#: What nobody waits for any more, until it has left its room; held so that it is not collected.
_strays: set[asyncio.Task[None]] = set()
_log = logging.getLogger(__name__)


async def enter(room: rtc.Room, name: str, url: str, token: str) -> None:
    """Enter a room, in which nobody is listened to yet.

    Args:
        room: to connect.
        name: of the room, for the error.
        url: of the server.
        token: to the room.

    Raises:
        RoomError: it cannot be entered; says why, without the token.
    """
    options = rtc.RoomOptions(auto_subscribe=False)
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            await connect(room, url, token, options)
    except rtc.ConnectError as error:
        # not chained: the text of the cause holds the token
        raise RoomError(name, redact(str(error))) from None
    except TimeoutError as error:
        raise RoomError(name, f"no connection within {CONNECT_WITHIN_S:g} s") from error


async def connect(room: rtc.Room, url: str, token: str, options: rtc.RoomOptions) -> None:
    """`Room.connect` that can be cancelled.

    livekit's native part goes on with a connection that was cancelled, waits 15 s in the room for
    someone to take it and then ends the whole process by SIGTERM, and all its calls (livekit 1.2.1,
    livekit/python-sdks#784 and #785). So it goes on, and its room is left as soon as it stands; at
    the end of the event loop, which cancels all, a process that lives on has to wait: `all_left`.

    Raises:
        rtc.ConnectError: the server cannot be reached, or refuses; its text may hold the token.
    """
    connecting = asyncio.create_task(room.connect(url, token, options), name="phone room")
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        stray = asyncio.create_task(_leave(room, connecting), name="phone room to be left")
        _strays.add(stray)
        stray.add_done_callback(_strays.discard)
        raise


async def _leave(room: rtc.Room, connecting: asyncio.Task[None]) -> None:
    await asyncio.wait([connecting])
    if connecting.cancelled() or connecting.exception() is not None:
        return  # it was not entered; why, nobody waits for any more
    try:
        async with asyncio.timeout(LEAVE_WITHIN_S):
            await room.disconnect()
    except TimeoutError:
        _log.info("a room was left without the server's answer")


async def all_left() -> None:
    """Wait until the rooms of connections that were cancelled are left."""
    while _strays:
        await asyncio.wait(_strays)
