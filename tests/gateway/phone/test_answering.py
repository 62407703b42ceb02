import asyncio

import pytest

from voiceagent.clock import MonotonicClock
from voiceagent.gateway.phone.announcements import TEXTS, load_announcements
from voiceagent.gateway.phone.answering import say_only
from voiceagent.gateway.phone.call import Setup
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.control import RoomControl
from voiceagent.gateway.phone.transcript import FINAL
from voiceagent.testing.sip_caller import Dialled, SipCaller

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]


async def test_a_caller_without_a_slot_hears_and_reads_why(livekit, join):
    config = LiveKitConfig(url=livekit.url, api_key=livekit.api_key, api_secret=livekit.api_secret)
    control, sounds = RoomControl(config), load_announcements(config)
    setup = Setup(config, sounds, control, MonotonicClock())
    dialled = Dialled(room="r", agent_name=None)
    async with SipCaller.dial(livekit, dialled) as caller, join() as leg:
        await leg.wait_caller(5)
        begin_s = asyncio.get_running_loop().time()
        await say_only(leg, setup, "at_capacity")
        took_s = asyncio.get_running_loop().time() - begin_s
        await caller.until(lambda: caller.texts, 2)
        assert caller.heard().first_loud_s() is not None
    await control.close()
    assert took_s > sounds["at_capacity"].pcm.size / 24_000
    ((_, kept, text),) = caller.texts
    assert (text, kept[FINAL]) == (TEXTS["at_capacity"], "true")
