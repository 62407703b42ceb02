import asyncio

import numpy as np
import pytest

from voiceagent.errors import RoomError
from voiceagent.gateway.phone.track import AgentTrack
from voiceagent.testing.sip_caller import Dialled, SipCaller

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]


async def test_sound_arrives_at_the_caller(livekit, join):
    async with SipCaller.dial(livekit, Dialled(room="r", agent_name=None)) as caller:
        async with join() as leg:
            track = await AgentTrack.publish(leg.room, "r")
            tone = (0.3 * np.sin(np.arange(480) / 5)).astype(np.float32)
            for _ in range(60):
                await track.send(tone)
                await asyncio.sleep(0.02)
            await caller.until(lambda: caller.heard().first_loud_s() is not None, 3)
            await track.close()


async def test_sound_of_another_length_is_a_fault_of_the_room(livekit, join):
    async with join() as leg:
        track = await AgentTrack.publish(leg.room, "r")
        with pytest.raises(RoomError):
            await track.send(np.zeros(100, np.float32))
        await track.close()
