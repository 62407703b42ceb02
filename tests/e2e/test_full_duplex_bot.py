"""The example keeps its promise: the agent in a stock Pipecat pipeline answers a question."""

import asyncio
import contextlib
import importlib.util
import socket
import sys
import warnings
from pathlib import Path

import aioice.ice
import numpy as np
import pytest
import soundfile
import uvicorn

from voiceagent.gateway.resample import Resampler

HERE = Path(__file__).parent


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    with warnings.catch_warnings():  # pipecat-ai 1.14 imports audioop
        warnings.simplefilter("ignore", DeprecationWarning)
        spec.loader.exec_module(module)
    return module


peer = load(HERE.parent / "gateway" / "conftest.py")
example = load(HERE / "examples" / "full_duplex_bot.py")


def question():
    """48 kHz: the embedded question, then time for the answer."""
    pcm, rate = soundfile.read(
        HERE.parent.parent / "voiceagent/assets/question.wav", dtype="float32"
    )
    sound = Resampler(rate, 48_000).push(pcm)
    return np.concatenate([np.zeros(24_000, np.float32), sound, np.zeros(48_000 * 4, np.float32)])


@contextlib.asynccontextmanager
async def served():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = uvicorn.Config(example.app, host="127.0.0.1", port=port, log_config=None, ws="none")
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    task = asyncio.create_task(server.serve())
    await peer.until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_stock_pipeline_with_the_agent_in_it_answers_a_spoken_question(monkeypatch):
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    async with served() as url:
        caller = peer.Caller(url)
        try:
            await caller.call()
            # the first sound of the agent: its engine is up
            await peer.until(
                lambda: caller.server_messages("word") or caller.microphone.packet > 400, 30
            )
            caller.microphone.say(question())
            await peer.until(lambda: len(words(caller, "agent")) >= 4, 30)
            await asyncio.sleep(1.5)
        finally:
            await caller.hang_up()
    assert words(caller, "user") == "what is three plus four".split()
    assert words(caller, "agent")[-1] == "seven"


def words(caller, side):
    text = "".join(w["text"] for w in caller.server_messages("word") if w["side"] == side)
    return text.split()
