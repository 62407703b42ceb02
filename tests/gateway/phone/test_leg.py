import asyncio
import json

import numpy as np
import pytest
from livekit import api, rtc

from voiceagent.audio.level import rms_dbfs
from voiceagent.clock import MonotonicClock
from voiceagent.errors import RoomError
from voiceagent.gateway.phone import elder, endings
from voiceagent.gateway.phone.leg import Leg
from voiceagent.testing.sip_caller import Dialled, SipCaller

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]
ALONE = Dialled(room="r", agent_name=None)


class Heard:
    """Whatever a leg tells."""

    def __init__(self):
        self.news, self.pcm = [], []

    def on_sound(self, leg):
        self.pcm.append(leg.ear.take())

    def on_key(self, digit):
        self.news.append(("key", digit))

    def on_order(self, topic, data):
        self.news.append(("order", topic, data))

    def on_left(self, leg, reason):
        self.news.append(("left", reason))

    def on_lost(self, leg, reason):
        self.news.append(("lost", reason))

    def on_back(self, leg):
        self.news.append(("back",))

    async def until(self, kind, seconds=3):
        async with asyncio.timeout(seconds):
            while not (found := [item for item in self.news if item[0] == kind]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found[0]


@pytest.fixture
def heard():
    return Heard()


async def visit(livekit, identity, kind="standard"):
    """Somebody else in the room."""
    grants = api.VideoGrants(room_join=True, room="r")
    token = api.AccessToken(livekit.api_key, livekit.api_secret).with_grants(grants)
    room = rtc.Room()
    token = token.with_identity(identity).with_kind(kind).to_jwt()
    await room.connect(livekit.url, token, rtc.RoomOptions(auto_subscribe=False))
    return room


async def test_a_room_to_which_nobody_comes_is_left(join):
    async with join() as leg:
        with pytest.raises(RoomError, match="nobody came"):
            await leg.wait_caller(0.2)


async def test_the_caller_is_the_telephone_and_rings_until_it_is_answered(livekit, join, heard):
    page, bot = await visit(livekit, "page"), await visit(livekit, "bot", "agent")
    async with SipCaller.dial(livekit, ALONE) as caller, join() as leg:
        leg.listener = heard
        assert (await leg.wait_caller(3)).identity == ALONE.identity
        with pytest.raises(TimeoutError):
            await caller.answered(within_s=0.3)
        leg.answer()
        await caller.answered(within_s=3)
        await leg.wait_active()
        await caller.say(0.3 * np.sin(np.arange(24_000) / 5).astype(np.float32), 24_000)
        assert rms_dbfs(np.concatenate(heard.pcm)) > -30
    await page.disconnect()
    await bot.disconnect()


async def test_keys_are_taken_from_the_caller_and_from_nobody_else(livekit, join, heard):
    async with SipCaller.dial(livekit, ALONE) as caller, join() as leg:
        leg.listener = heard
        await leg.wait_caller(3)
        page = await visit(livekit, "page")
        await page.local_participant.publish_dtmf(code=1, digit="1")
        await caller.press("2")
        assert await heard.until("key") == ("key", "2")
        assert len(heard.news) == 1
        await page.disconnect()


async def test_orders_are_taken_from_the_server_and_not_from_participants(livekit, join, heard):
    page = await visit(livekit, "page")
    async with join() as leg:
        leg.listener = heard
        await page.local_participant.publish_data(b"{}", topic="voiceagent.transfer")
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
            data = json.dumps({"to": "100"}).encode()
            await server.room.send_data(
                api.SendDataRequest(room="r", data=data, topic="voiceagent.transfer")
            )
        assert await heard.until("order") == ("order", "voiceagent.transfer", data)
        assert len(heard.news) == 1
    await page.disconnect()


async def test_a_caller_who_hangs_up_has_left_and_the_room_stays(livekit, join, heard):
    async with join() as leg:
        leg.listener = heard
        async with SipCaller.dial(livekit, ALONE):
            await leg.wait_caller(3)
        assert await heard.until("left") == ("left", "the caller hung up")
        assert not leg.closed.is_set()


@pytest.mark.parametrize(("is_lost", "told"), [(False, "left"), (True, "lost")])
async def test_a_room_that_closes_before_its_lost_caller_is_back_is_not_the_end(
    heard, is_lost, told
):
    leg = Leg("r", MonotonicClock())
    leg.listener, leg._is_lost = heard, is_lost
    leg._on_disconnected(rtc.DisconnectReason.ROOM_CLOSED)
    assert [kind for kind, _ in heard.news] == [told]
    assert leg.closed.is_set()


async def test_a_caller_whose_place_another_call_takes_has_left_and_it_is_told(
    livekit, join, heard
):
    async with SipCaller.dial(livekit, ALONE) as caller, join() as leg:
        leg.listener = heard
        await leg.wait_caller(3)
        leg.answer()
        await caller.answered(within_s=3)
        async with SipCaller.dial(livekit, ALONE) as other:
            assert await heard.until("left") == (
                "left",
                "another call of the same number took its place",
            )
            assert leg.is_replaced
            # the conversation that ends must not be heard, nor pay for an answer
            with pytest.raises(TimeoutError):
                await other.answered(within_s=0.5)


async def test_an_elder_agent_that_comes_later_is_given_the_caller(livekit, join, heard):
    async with (
        SipCaller.dial(livekit, ALONE) as caller,
        join(identity="young", attributes={elder.SINCE: "20"}) as leg,
    ):
        leg.listener = heard
        await leg.wait_caller(3)
        assert leg.elder() is None
        async with join(identity="old", attributes={elder.SINCE: "10"}) as old:
            assert await heard.until("left") == ("left", endings.ELDER)
            assert leg.elder().identity == "old"
            assert old.elder() is None
        assert not caller.end_reason


async def test_sound_of_the_agent_arrives_at_the_caller(livekit, join):
    async with SipCaller.dial(livekit, ALONE) as caller, join() as leg:
        await leg.wait_caller(3)
        await leg.publish()
        leg.answer()
        await caller.answered(within_s=3)
        tone = (0.3 * np.sin(np.arange(240) / 5)).astype(np.float32)
        for _ in range(100):
            await leg.send(tone)
            await asyncio.sleep(0.01)
        assert caller.heard().first_loud_s() is not None
