"""Redis, which all LiveKit servers and SIP services share, is restarted in a call."""

import pytest

from voiceagent.testing.phone_worker import PhoneWorker
from voiceagent.testing.sip_caller import SipCaller

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]
DOWN_S = 2.0


async def test_a_call_goes_on_and_the_next_one_is_taken_when_redis_was_restarted(
    livekit, quick, tmp_path, ask, are_right
):
    async with PhoneWorker.running(quick, tmp_path / "worker") as worker:
        async with SipCaller.dial(livekit) as caller:
            await caller.answered()
            before = await ask(caller, "can you hear me")
            await livekit.restart_redis(down_s=DOWN_S)
            after = await ask(caller, "can you hear me")
        await worker.until("phone_calls_active", lambda n: n == 0, 2)
        session = await worker.last_session()
        async with SipCaller.dial(livekit) as another:
            await another.answered()
    assert are_right(before, after)
    assert session.summary.end_reason == "the caller hung up"
