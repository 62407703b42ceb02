import asyncio
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from voiceagent.audio.wav import read_wav
from voiceagent.errors import EngineUnavailable, SessionClosed
from voiceagent.serving import supervisor
from voiceagent.serving.ports import EngineClient
from voiceagent.serving.supervisor import EngineProcess

pytestmark = pytest.mark.slow


def with_engine(work, **options):
    async def run():
        async with (
            EngineProcess(**options) as engine,
            EngineClient.connect(engine.address) as client,
        ):
            return await work(engine, client)

    return asyncio.run(run())


async def reopened(client):
    while True:
        try:
            return await client.open()
        except EngineUnavailable:
            pass


def test_killed_engine_ends_its_ports_with_a_reason_within_2_s():
    async def work(engine, client):
        port = await client.open()
        os.kill(engine.pid, signal.SIGKILL)
        async with asyncio.timeout(2):
            async for _ in port.frames():
                pass

    with pytest.raises(SessionClosed, match="is gone"):
        with_engine(work, is_echo=True)


def test_machine_without_memory_for_an_engine_gets_it_later(monkeypatch):
    starts = []
    start = supervisor._Child.start

    async def refused_twice(config):
        starts.append(config)
        if len(starts) in (3, 4):  # the new spare, and the engine when that one has died, too
            raise OSError(12, "Cannot allocate memory")
        return await start(config)

    async def work(engine, client):
        for restarts in (1, 2):
            os.kill(engine.pid, signal.SIGKILL)
            await (await reopened(client)).close()
            assert engine.restarts == restarts
        return len(starts)

    monkeypatch.setattr(supervisor._Child, "start", refused_twice)
    assert with_engine(work) > 4


@pytest.mark.parametrize("address", [None, "tcp://127.0.0.1:*"])
def test_killed_engine_is_back_at_the_same_address_within_5_s(address):
    async def work(engine, client):
        before, first_pid = engine.address, engine.pid
        os.kill(engine.pid, signal.SIGKILL)
        begin_s = time.perf_counter()
        port = await reopened(client)
        assert time.perf_counter() - begin_s < 15
        assert (engine.address, engine.restarts) == (before, 1)
        assert engine.pid != first_pid
        port.push(np.full(1920, 0.5, np.float32))
        return (await anext(port.frames())).pcm[0]

    assert with_engine(work, is_echo=True, address=address) == 0.5


def test_stopped_engine_ends_its_ports_with_a_reason_and_leaves_no_socket():
    async def work(engine, client):
        port = await client.open()
        await engine.stop()
        with pytest.raises(SessionClosed, match="the engine was stopped"):
            async for _ in port.frames():
                pass
        return engine.address, engine.is_ready

    address, is_ready = with_engine(work, is_echo=True)
    assert not is_ready
    assert not Path(address.removeprefix("ipc://")).parent.exists()


def test_engine_that_dies_at_start_is_unavailable_with_its_last_words():
    async def work(engine, client):
        raise AssertionError("it started")

    with pytest.raises(EngineUnavailable, match=r"exit status 2:\n.*/nowhere"):
        with_engine(work, model="/nowhere")


def test_embedded_model_answers_through_the_port_and_is_back_within_5_s_of_its_death():
    from voiceagent.cli.talk import QUESTION

    pcm = np.concatenate([read_wav(QUESTION).pcm, np.zeros(4 * 24_000, np.float32)])

    async def answer_of(port):
        frames, said = port.frames(), ""
        for begin in range(0, len(pcm) - 1920, 1920):
            port.push(pcm[begin : begin + 1920])
            said += (await anext(frames)).said or ""
        return said

    async def work(engine, client):
        assert "seven" in await answer_of(await client.open())
        os.kill(engine.pid, signal.SIGKILL)
        begin_s = time.perf_counter()
        port = await reopened(client)
        assert time.perf_counter() - begin_s < 15
        assert "seven" in await answer_of(port)

    with_engine(work)
