import asyncio
import gc

import pytest
from livekit import api, rtc

from voiceagent.errors import RoomError
from voiceagent.gateway.phone import entrance
from voiceagent.gateway.phone.entrance import enter

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]


def token(livekit, secret=None):
    grants = api.VideoGrants(room_join=True, room="r")
    made = api.AccessToken(livekit.api_key, secret or livekit.api_secret)
    return made.with_grants(grants).with_identity("x").to_jwt()


async def test_a_room_is_entered_and_nobody_is_listened_to(livekit):
    room = rtc.Room()
    await enter(room, "r", livekit.url, token(livekit))
    assert room.isconnected()
    await room.disconnect()


async def test_a_room_that_cannot_be_entered_is_said_without_the_token(livekit):
    with pytest.raises(RoomError, match="room r") as failed:
        await enter(rtc.Room(), "r", livekit.url, token(livekit, "w" * 40))
    assert "eyJ" not in str(failed.value)
    assert failed.value.__cause__ is None


async def test_a_server_that_does_not_answer_in_time_is_said(livekit, monkeypatch):
    monkeypatch.setattr(entrance, "CONNECT_WITHIN_S", 0.0)
    monkeypatch.setattr(entrance, "LEAVE_WITHIN_S", 10.0)  # of a machine that is busy
    room, left = rtc.Room(), asyncio.Event()
    room.on("disconnected", lambda reason: left.set())
    with pytest.raises(RoomError, match="no connection within 0 s"):
        await enter(room, "r", livekit.url, token(livekit))
    await entrance.all_left()
    assert left.is_set()


async def test_a_room_whose_entering_was_cancelled_is_left_when_it_stands(
    livekit, caplog, monkeypatch
):
    monkeypatch.setattr(entrance, "LEAVE_WITHIN_S", 10.0)
    room, left = rtc.Room(), asyncio.Event()
    room.on("disconnected", lambda reason: left.set())
    entering = asyncio.create_task(enter(room, "r", livekit.url, token(livekit)))
    await asyncio.sleep(0)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    async with asyncio.timeout(15):
        await entrance.all_left()
    assert left.is_set()  # else livekit ends this process 15 s later
    assert not room.isconnected()
    assert not caplog.text


async def test_entering_that_was_cancelled_and_fails_is_nobodys_business(livekit, caplog):
    entering = asyncio.create_task(enter(rtc.Room(), "r", livekit.url, token(livekit, "w" * 40)))
    await asyncio.sleep(0)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    await entrance.all_left()
    gc.collect()  # a task whose error was not looked at says so now
    assert "never retrieved" not in caplog.text
