import asyncio

import numpy as np
import pytest

from voiceagent.errors import AtCapacity, EngineUnavailable, SessionClosed
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.local import LocalClient


def with_client(work, num_slots=2, engine=None):
    async def run():
        engine_ = engine or EchoEngine(EngineConfig(num_slots=num_slots))
        async with LocalClient(engine_, model="echo") as client, asyncio.timeout(5):
            return await work(client)

    return asyncio.run(run())


def frame(level):
    return np.full(1920, level, np.float32)


def test_two_sessions_in_memory_do_not_hear_each_other():
    async def work(client):
        first, second = await client.open(), await client.open()
        first.push(frame(0.1))
        second.push(frame(0.2))
        return [(await anext(port.frames())).pcm[0] for port in (first, second)]

    assert with_client(work) == [np.float32(0.1), np.float32(0.2)]


def test_what_was_heard_is_told_to_the_engine_in_memory():
    engine = EchoEngine(EngineConfig(num_slots=1))

    async def work(client):
        port = await client.open()
        port.push(frame(0.1))
        await anext(port.frames())
        port.played(80)
        return [session.unheard_frames for session in engine._sessions.values()]

    assert with_client(work, engine=engine) == [0]


def test_open_beyond_the_slots_is_refused_until_a_port_is_closed():
    async def work(client):
        port = await client.open()
        with pytest.raises(AtCapacity, match="all 1 slots"):
            await client.open()
        await port.close()
        await client.open()
        return await client.status()

    status = with_client(work, num_slots=1)
    assert (status.model, status.num_free, status.refused_sessions) == ("echo", 0, 1)


def test_port_without_sound_goes_on_in_silence():
    async def work(client):
        port = await client.open()
        return (await anext(port.frames())).is_gated

    assert with_client(work)


def test_failed_step_ends_the_port_with_its_reason():
    class Faulty(EchoEngine):
        def step(self):
            raise RuntimeError("boom")

    async def work(client):
        port = await client.open()
        port.push(frame(0.1))
        await anext(port.frames())

    with pytest.raises(SessionClosed, match="RuntimeError: boom"):
        with_client(work, engine=Faulty())


def test_closed_client_opens_nothing():
    async def work(client):
        port = await client.open()
        await client.close()
        assert port.ended == "closed by this side"
        await client.open()

    with pytest.raises(EngineUnavailable, match="the client was closed"):
        with_client(work)


@pytest.mark.slow
def test_shipped_question_is_answered_through_the_in_memory_port():
    from voiceagent.audio.wav import read_wav
    from voiceagent.cli.talk import QUESTION
    from voiceagent.serving.engine import Engine

    pcm = np.concatenate([read_wav(QUESTION).pcm, np.zeros(4 * 24_000, np.float32)])

    async def work(client):
        port = await client.open()
        frames, said = port.frames(), ""
        for begin in range(0, len(pcm) - 1920, 1920):
            port.push(pcm[begin : begin + 1920])
            said += (await anext(frames)).said or ""
        return said

    assert "seven" in with_client(work, engine=Engine.load())
