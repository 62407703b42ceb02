import asyncio

import pytest

from voiceagent.gateway.phone.comeback import keep_in_room
from voiceagent.testing.sip_caller import Dialled, SipCaller

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]


async def until(is_so, within_s=8):
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_an_agent_whose_connection_stays_broken_comes_back_by_another(hold):
    async with hold() as (caller, call, _):
        await caller.answered()
        first = call.leg
        keeping = asyncio.create_task(keep_in_room(call, call._setup))
        await first.room.disconnect()  # the client will not mend this
        first._tell_lost("the connection broke")
        await until(lambda: not call.is_lost)
        assert call.leg is not first
        assert call.leg.caller.identity == caller.dialled.identity
        assert call.leg.me.claim == first.me.claim
        await caller.until(lambda: caller.agent.get("lk.agent.state") == "listening", 5)
        keeping.cancel()


async def test_another_caller_in_the_room_is_not_taken_for_the_lost_one(livekit, hold):
    async with hold() as (caller, call, _):
        await caller.answered()
        first = call.leg
        keeping = asyncio.create_task(keep_in_room(call, call._setup))
        await first.room.disconnect()
        first._tell_lost("the connection broke")
        await caller.hang_up()
        other = Dialled(room="r", agent_name=None, number="+15559990000")
        async with SipCaller.dial(livekit, other) as stranger:
            with pytest.raises(TimeoutError):
                await stranger.answered(4)
        assert call.is_lost
        assert call.leg is first
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
