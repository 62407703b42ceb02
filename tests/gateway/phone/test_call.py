import asyncio

import numpy as np
import pytest

from voiceagent.audio.framing import FRAME_SAMPLES, PACKET_SAMPLES
from voiceagent.clock import MonotonicClock
from voiceagent.gateway.phone.announcements import TEXTS
from voiceagent.gateway.phone.state import ATTRIBUTE
from voiceagent.gateway.phone.transcript import FINAL
from voiceagent.testing.sip_caller import Dialled

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]


async def test_a_call_ends_once_with_the_first_reason(hold):
    async with hold() as (caller, call, running):
        await caller.answered()
        call.end("first")
        call.end("second")
        assert await running == "first"
        assert call.port.ended == "closed by this side"
        assert await caller.ended(1) == "PARTICIPANT_REMOVED"


async def test_a_caller_who_hangs_up_is_not_said_goodbye_to(hold):
    async with hold() as (caller, call, running):
        await caller.answered()
        await asyncio.sleep(0.3)
        await caller.hang_up()
        async with asyncio.timeout(2):
            assert await running == "the caller hung up"
        assert call.speaker.mouth.left_ms == 0


async def test_the_longest_call_is_ended(hold):
    async with hold(max_call_s=1.0) as (caller, _, running):
        await caller.answered()
        async with asyncio.timeout(4):
            assert await running == "longer than 1 s"


async def test_the_agent_greets_when_it_can_be_heard_and_says_what_it_does(hold):
    async with hold(greeting=True, answer_after_ms=300) as (caller, _, _):
        assert await caller.answered() >= 0.3
        assert caller.heard().first_loud_s() is None
        await asyncio.sleep(1.5)
        assert caller.heard().first_loud_s() is not None
        await caller.until(lambda: caller.agent.get(ATTRIBUTE) == "listening", 3)


async def test_announcements_are_told_as_words_as_the_agents_are(hold):
    async with hold(greeting=True, max_call_s=3.0) as (caller, _, running):
        await caller.answered()
        await running
        await caller.until(lambda: len(caller.texts) == 2, 3)
    assert [text for _, _, text in caller.texts] == [TEXTS["greeting"], TEXTS["goodbye"]]
    assert all(kept[FINAL] == "true" for _, kept, _ in caller.texts)


async def test_the_first_sound_brings_the_frames_onto_the_beat_of_all_calls(hold):
    async with hold() as (caller, call, _):
        pushed, push = [], call.port.push

        def watch(pcm):
            now_us = MonotonicClock().now_us()
            pushed.append((now_us, pcm.size))
            push(pcm)

        call.port.push = watch
        await caller.answered()
        async with asyncio.timeout(3):
            while not pushed:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    came_us, samples = pushed[0]
    # how much of the beat was over then, or an instant before
    over = {(came_us - ago_us) // 20_000 % 4 for ago_us in (0, 5_000)}
    assert samples % FRAME_SAMPLES / PACKET_SAMPLES in over


async def test_another_leg_takes_the_caller_over_and_the_first_one_is_left(hold, join):
    async with hold(Dialled(room="r", agent_name=None)) as (caller, call, running):
        await caller.answered()
        first = call.leg
        async with join(identity="agent-2") as leg:
            await leg.wait_caller(3)
            await leg.publish()
            leg.answer()
            call.attach(leg)
            async with asyncio.timeout(3):
                await first.closed.wait()
            said_s = await caller.say(
                0.3 * np.sin(np.arange(24_000) / 8).astype(np.float32), 24_000
            )
            assert caller.heard(from_s=said_s - 0.5).first_loud_s() is not None
            assert not running.done()
            call.end("over")
            assert await running == "over"
    assert call.reconnects == 1
