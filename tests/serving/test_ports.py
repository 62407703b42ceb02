import asyncio
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from voiceagent.errors import AtCapacity, EngineUnavailable, SessionClosed
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.ports import EngineClient


def with_client(address, work, **options):
    async def run():
        async with EngineClient.connect(address, **options) as client, asyncio.timeout(10):
            return await work(client)

    return asyncio.run(run())


def frame(level):
    return np.full(1920, level, np.float32)


async def until_free(client, num_free):
    """Ask until so many slots are free; each question is one turn of the engine."""
    async with asyncio.timeout(5):
        while (await client.status()).num_free != num_free:
            pass


def test_two_sessions_of_two_clients_do_not_hear_each_other(echo_address):
    async def work(client):
        async with EngineClient.connect(echo_address) as other:
            first, second = await client.open(), await other.open()
            first.push(frame(0.1))
            second.push(frame(0.2))
            return [(await anext(port.frames())).pcm[0] for port in (first, second)]

    assert with_client(echo_address, work) == [np.float32(0.1), np.float32(0.2)]


def test_frame_tells_the_time_of_its_step_and_its_lag(echo_address):
    async def work(client):
        port = await client.open()
        port.push(frame(0.1))
        return await anext(port.frames())

    answer = with_client(echo_address, work)
    assert (answer.step, answer.time_ms) == (0, 0)
    assert 0 < answer.step_us < answer.lag_us < 1_000_000


def test_what_was_heard_is_told_to_the_engine(serve):
    engine = EchoEngine(EngineConfig(num_slots=1))
    address = serve(engine)

    async def work(client):
        port = await client.open()
        port.push(np.tile(frame(0.1), 2))
        frames = port.frames()
        await anext(frames), await anext(frames)
        port.played(160)
        await client.status()
        return [session.unheard_frames for session in engine._sessions.values()]

    assert with_client(address, work) == [0]


def test_open_beyond_the_slots_is_refused_at_once(echo_address):
    async def work(client):
        await client.open()
        await client.open()
        begin_s = asyncio.get_running_loop().time()
        with pytest.raises(AtCapacity, match="all 2 slots are taken; retry in 5 s"):
            await client.open()
        return asyncio.get_running_loop().time() - begin_s

    assert with_client(echo_address, work) < 1  # promised: 0.2


def test_closed_port_frees_its_slot_for_the_next_open(echo_address):
    async def work(client):
        for _ in range(5):
            port = await client.open()
            await port.close()
        return await client.status()

    assert with_client(echo_address, work).num_free >= 1


def test_closed_client_frees_its_slots(echo_address):
    async def work(client):
        async with EngineClient.connect(echo_address) as other:
            await other.open()

        await until_free(client, 2)

    with_client(echo_address, work)


def test_nothing_at_the_address_is_unavailable_within_the_stated_time(tmp_path):
    async def work(client):
        await client.open()

    with pytest.raises(EngineUnavailable, match=r"nothing listens there within 0\.1 s"):
        with_client(f"ipc://{tmp_path}/none", work, answer_within_s=0.1)


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:5000", "tcp://example.org:1", "inproc://x"])
def test_address_beyond_this_machine_is_refused(address):
    async def connect():
        EngineClient.connect(address)

    with pytest.raises(ValueError, match="address must be"):
        asyncio.run(connect())


def test_asker_who_gave_up_leaves_no_session_behind(echo_address):
    async def work(client):
        await client.status()
        asking = asyncio.create_task(client.open())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()

        await until_free(client, 2)
        assert asking.cancelled()

    with_client(echo_address, work)


class HangingEngine(EchoEngine):
    """Its first step does not return until it is told to."""

    def __init__(self):
        super().__init__()
        self.go_on = threading.Event()

    def step(self):
        self.go_on.wait(8)
        return super().step()


@pytest.mark.slow
def test_engine_that_hangs_ends_its_ports_within_2_s_and_frees_the_slot_when_it_wakes(serve):
    engine = HangingEngine()

    async def work(client):
        port = await client.open()
        port.push(frame(0.1))
        begin_s = time.perf_counter()
        with pytest.raises(SessionClosed, match="said nothing for"):
            await anext(port.frames())
        assert time.perf_counter() - begin_s < 10
        engine.go_on.set()
        await client.open()

    with_client(serve(engine), work)


@pytest.mark.slow
def test_gateway_whose_own_loop_stands_still_keeps_its_ports(echo_address):
    async def work(client):
        port = await client.open()
        await asyncio.sleep(0.6)
        time.sleep(1.8)  # noqa: ASYNC251  the fault that is tested
        await asyncio.sleep(0.6)
        return port.ended

    assert with_client(echo_address, work) is None


@pytest.mark.slow
def test_gateway_that_opens_and_talks_never_loads_torch(echo_address):
    code = f"""
import asyncio, sys
import numpy as np
from voiceagent.serving.ports import EngineClient

async def main():
    async with EngineClient.connect({echo_address!r}) as client:
        port = await client.open()
        port.push(np.zeros(1920, np.float32))
        await anext(port.frames())

asyncio.run(main())
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
