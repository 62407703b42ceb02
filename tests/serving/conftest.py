"""A clock that moves when told, and an echo engine behind a real socket in a thread."""

import contextlib
import threading

import pytest

from voiceagent.clock import MonotonicClock
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.hub import Hub
from voiceagent.serving.worker import Worker


class VirtualClock:
    def __init__(self):
        self.time_us = 1_000_000

    def now_us(self):
        return self.time_us

    def advance_ms(self, ms):
        self.time_us += round(ms * 1000)


@pytest.fixture
def clock():
    return VirtualClock()


@contextlib.contextmanager
def serving(engine, folder):
    hub = Hub(engine, "echo", MonotonicClock())
    worker = Worker(hub, f"ipc://{folder / 'engine'}", engine.config.num_slots, None)
    thread = threading.Thread(target=worker.serve)
    thread.start()
    try:
        yield worker.address
    finally:
        worker.stop()
        thread.join()


@pytest.fixture
def serve(tmp_path):
    """Serve an engine of one's own until the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda engine: stack.enter_context(serving(engine, tmp_path))


@pytest.fixture
def echo_address(serve):
    return serve(EchoEngine(EngineConfig(num_slots=2)))
