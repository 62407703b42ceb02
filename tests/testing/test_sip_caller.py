"""The simulated telephone against a real LiveKit, with an agent of a few lines."""

import asyncio
import contextlib

import numpy as np
import pytest
from livekit import api, rtc

from voiceagent.testing.sip_caller import Dialled, SipCaller

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]
ALONE = Dialled(room="r", agent_name=None)


@contextlib.asynccontextmanager
async def someone(livekit, room_name="r"):
    """Comes into the room and listens; what it hears of keys and attributes lies in a list."""
    room, seen = rtc.Room(), []
    room.on("sip_dtmf_received", lambda key: seen.append(key.digit))
    room.on("participant_attributes_changed", lambda changed, _: seen.append(changed))
    room.on("participant_disconnected", lambda _: seen.append("left"))
    token = api.AccessToken(livekit.api_key, livekit.api_secret).with_identity("agent")
    token = token.with_kind("agent").with_grants(api.VideoGrants(room_join=True, room=room_name))
    await room.connect(livekit.url, token.to_jwt())
    try:
        yield room, seen
    finally:
        await room.disconnect()


async def echo(room):
    """Give the first caller's sound back."""
    source = rtc.AudioSource(24_000, 1, queue_size_ms=0)
    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    await room.local_participant.publish_track(track)
    (caller,) = room.remote_participants.values()
    while not (tracks := [p.track for p in caller.track_publications.values() if p.track]):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    async for event in rtc.AudioStream(tracks[0], sample_rate=24_000, frame_size_ms=10):
        await source.capture_frame(event.frame)


async def test_it_rings_until_someone_listens(livekit):
    async with SipCaller.dial(livekit, ALONE) as caller:
        with pytest.raises(TimeoutError):
            await caller.answered(within_s=0.3)
        async with someone(livekit) as (_, seen):
            await caller.answered()
            await caller.until(lambda: {"sip.callStatus": "active"} in seen, 2)


async def test_it_is_of_kind_sip_and_says_who_calls(livekit):
    async with SipCaller.dial(livekit, ALONE), someone(livekit) as (room, _):
        (caller,) = room.remote_participants.values()
        assert caller.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP
        assert caller.identity == "sip_+15550100"
        assert caller.attributes["sip.phoneNumber"] == "+15550100"


async def test_keys_arrive_both_ways(livekit):
    async with SipCaller.dial(livekit, ALONE) as caller, someone(livekit) as (room, seen):
        echoing = asyncio.create_task(echo(room))
        await caller.answered()
        await caller.until(lambda: caller.heard().pcm.size > 0, 2)
        await caller.press("1#D", every_s=0.02)
        await room.local_participant.publish_dtmf(code=10, digit="*")
        await caller.until(lambda: [*"1#D"] == [s for s in seen if s in [*"1#D"]], 2)
        await caller.until(lambda: bool(caller.keys), 2)
        assert caller.keys[0][0] == "*"
        echoing.cancel()


async def test_hanging_up_is_said_before_it_leaves(livekit):
    async with SipCaller.dial(livekit, ALONE) as caller, someone(livekit) as (_, seen):
        await caller.answered()
        await caller.hang_up()
        await caller.until(lambda: seen[-2:] == [{"sip.callStatus": "hangup"}, "left"], 2)


async def test_being_hung_up_on_ends_the_call(livekit):
    async with SipCaller.dial(livekit, ALONE) as caller, someone(livekit):
        await caller.answered()
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lkapi:
            await lkapi.room.remove_participant(
                api.RoomParticipantIdentity(room="r", identity=caller.dialled.identity)
            )
        assert await caller.ended(within_s=2) == "PARTICIPANT_REMOVED"


@pytest.mark.parametrize("band", ["PCMU", "G722"])
async def test_an_echo_comes_back_through_the_line_in_time(livekit, band):
    dialled = Dialled(room="r", agent_name=None, band=band)
    async with SipCaller.dial(livekit, dialled) as caller, someone(livekit) as (room, _):
        echoing = asyncio.create_task(echo(room))
        await caller.answered()
        await asyncio.sleep(1.0)
        rate_hz = caller.heard().rate_hz
        tone = 0.3 * np.sin(2 * np.pi * 700 * np.arange(rate_hz // 2) / rate_hz)
        began_s = asyncio.get_running_loop().time()
        await caller.say(tone.astype(np.float32), rate_hz)
        await asyncio.sleep(0.5)
        echoing.cancel()
    back = caller.heard(began_s)
    assert 0 < back.first_loud_s(above=0.05) - began_s < 0.5
    loud = back.pcm[np.abs(back.pcm) > 0.25]
    assert loud.size > rate_hz // 20


async def test_it_comes_back_after_a_crash_of_the_server(livekit):
    async with SipCaller.dial(livekit, ALONE) as caller:
        async with someone(livekit):
            await caller.answered()
        await livekit.restart_server(down_s=0.5)
        async with someone(livekit) as (room, _):
            await caller.until(lambda: bool(room.remote_participants), 25)
            (again,) = room.remote_participants.values()
            await caller.until(lambda: again.attributes["sip.callStatus"] == "active", 1)
            assert again.attributes["sip.callID"] == caller.call_id
