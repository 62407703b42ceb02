"""Several workers at one LiveKit server, and a server that dies in a call."""

import asyncio
import contextlib
import signal
from operator import itemgetter

import pytest
import pytest_asyncio
from livekit import api

from voiceagent.gateway.phone import endings
from voiceagent.testing.phone_worker import PhoneWorker
from voiceagent.testing.sip_caller import SipCaller

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]

BUSY, LOST, KNOWN = "phone_calls_active", "phone_calls_lost", "phone_registered"
#: livekit-server is down for as long.
DOWN_S = 1.0
REGISTERED_WITHIN_S = 3.0
#: As long a worker waits for a caller to come back.
HELD_S = 15.0
#: A worker's load reaches the server within this.
TOLD_S = 2.5


@pytest_asyncio.fixture
async def workers(livekit, quick, tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                PhoneWorker.running(quick, tmp_path / name, ["--slots", "3", "--verbose"])
            )
            for name in ("one", "two")
        ]


async def call(stack, livekit):
    caller = await stack.enter_async_context(SipCaller.dial(livekit))
    await caller.answered()
    return caller


async def test_calls_spread_and_a_worker_that_is_stopped_loses_none(livekit, workers, tell):
    async with contextlib.AsyncExitStack() as stack:
        callers = [await call(stack, livekit) for _ in range(4)]
        spread = [(await worker.metrics())[BUSY] for worker in workers]
        tell(f"4 calls over two workers: {spread[0]:.0f} + {spread[1]:.0f}")
        assert sum(spread) == 4
        assert min(spread) >= 1
        # the one with more calls: the other has a slot left
        (many, leaving), (few, staying) = sorted(
            zip(spread, workers, strict=True), key=itemgetter(0), reverse=True
        )
        leaving.send(signal.SIGTERM)
        await asyncio.sleep(TOLD_S)
        callers.append(await call(stack, livekit))
        assert (await staying.metrics())[BUSY] == few + 1
        assert (await leaving.metrics())[BUSY] == many
        assert not any(caller.end_reason for caller in callers)
    assert await leaving.ended(within_s=10) == 0


async def test_a_call_outlives_a_crash_of_the_server(
    livekit, quick, tmp_path, ask, are_right, tell
):
    loop = asyncio.get_running_loop()
    async with PhoneWorker.running(quick, tmp_path / "worker") as worker:
        async with SipCaller.dial(livekit) as caller:
            await caller.answered()
            before = await ask(caller, "can you hear me")
            await livekit.kill_server()
            await worker.until(KNOWN, lambda known: not known, 2)
            await asyncio.sleep(DOWN_S)
            await livekit.start_server()
            up_s = loop.time()
            known_s = await worker.until(KNOWN, bool, REGISTERED_WITHIN_S)
            await worker.until("phone_reconnects_total", bool, HELD_S)
            tell(
                f"server crash: worker registered {known_s:.2f} s after the server was up, the "
                f"conversation went on after {loop.time() - up_s:.1f} s"
            )
            await asyncio.sleep(1)
            after = await ask(caller, "can you hear me")
        await worker.until(BUSY, lambda n: n == 0, 2)
        session = await worker.last_session()
        assert len(worker.sessions()) == 1
    assert are_right(before, after)
    said = "".join(frame.said or "" for frame in session.trace)
    assert said.count("yes i can hear you") == 2, said
    assert session.summary.end_reason == "the caller hung up"


async def test_a_worker_that_is_killed_leaves_no_caller_in_silence(livekit, quick, tmp_path, tell):
    async with PhoneWorker.running(quick, tmp_path / "worker") as worker:
        async with SipCaller.dial(livekit) as caller:
            await caller.answered()
            await worker.until(BUSY, lambda n: n == 1, 5)
            worker.send(signal.SIGKILL)
            died_s = asyncio.get_running_loop().time()
            assert await caller.ended(within_s=2) == "PARTICIPANT_REMOVED"
            tell(f"worker killed: hung up after {caller.ended_s - died_s:.2f} s")


async def test_an_engine_that_dies_in_a_call_hangs_the_caller_up(livekit, quick, tmp_path, tell):
    async with PhoneWorker.running(quick, tmp_path / "worker") as worker:
        async with SipCaller.dial(livekit) as caller:
            await caller.answered()
            await worker.until(BUSY, lambda n: n == 1, 5)
            await worker.kill_engine()
            died_s = asyncio.get_running_loop().time()
            # a goodbye is said first
            assert await caller.ended(within_s=5) == "PARTICIPANT_REMOVED"
            tell(f"engine death: hung up after {caller.ended_s - died_s:.2f} s")
        async with SipCaller.dial(livekit) as again:
            await again.answered(15)
    assert "engine" in worker.sessions()[0].summary.end_reason


async def test_two_workers_after_a_crash_are_one_agent_to_the_caller(
    livekit, quick, tmp_path, ask, are_right, tell
):
    one_slot = ["--slots", "1", "--verbose"]
    async with (
        PhoneWorker.running(quick, tmp_path / "holds", one_slot) as holds,
        SipCaller.dial(livekit) as caller,
    ):
        await caller.answered()
        # the job of a room that is made anew goes to whoever has a slot
        async with PhoneWorker.running(quick, tmp_path / "free", one_slot) as free:
            await livekit.restart_server(down_s=DOWN_S)
            back_s = await holds.until("phone_reconnects_total", bool, HELD_S)
            await free.until(BUSY, lambda n: n == 0, 3)
            asked = await ask(caller, "can you hear me")
            spread = [(await worker.metrics())[BUSY] for worker in (holds, free)]
            had_it = "gave" if endings.ELDER in free.log else "had not been given"
            tell(f"server crash: back in {back_s:.1f} s, the other worker {had_it} the caller")
    assert spread == [1, 0]
    assert are_right(asked)
    assert caller.end_reason == "hung up"


async def test_a_second_agent_of_a_room_leaves_its_caller_to_the_first(livekit, quick, tmp_path):
    one_slot = ["--slots", "1", "--verbose"]
    async with (
        PhoneWorker.running(quick, tmp_path / "first", one_slot) as first,
        SipCaller.dial(livekit) as caller,
        PhoneWorker.running(quick, tmp_path / "second", one_slot) as second,
    ):
        await caller.answered()
        wish = api.CreateAgentDispatchRequest(agent_name="voiceagent", room=caller.dialled.room)
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
            await server.agent_dispatch.create_dispatch(wish)
        await second.until_logged(endings.ELDER, 5)
        await second.until(BUSY, lambda n: n == 0, 2)
        assert (await first.metrics())[BUSY] == 1
        assert not caller.end_reason
