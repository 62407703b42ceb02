"""The way into a LiveKit room, once, within a time, with an error that holds no token."""

from __future__ import annotations

import asyncio

from livekit import rtc

from voiceagent.errors import RoomError
from voiceagent.gateway.phone.secrets import redact

CONNECT_WITHIN_S = 10.0


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
            await room.connect(url, token, options)
    except rtc.ConnectError as error:
        # not chained: the text of the cause holds the token
        raise RoomError(name, redact(str(error))) from None
    except TimeoutError as error:
        raise RoomError(name, f"no connection within {CONNECT_WITHIN_S:g} s") from error
