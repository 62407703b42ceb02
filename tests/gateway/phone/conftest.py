"""A phone worker in this process, at a real LiveKit server, around the echo engine or the model."""

import asyncio
import contextlib
import dataclasses
from pathlib import Path

import pytest

from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.server import Signals, serve_phone
from voiceagent.records.config import RecordsConfig
from voiceagent.records.store import RecordStore
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.supervisor import EngineProcess


@dataclasses.dataclass
class Running:
    engine: EngineProcess
    signals: Signals
    serving: asyncio.Task
    records: Path

    async def sessions(self, count=1, seconds=5):
        """Records of calls that are over, oldest first."""
        store = RecordStore(self.records)
        async with asyncio.timeout(seconds):
            while True:
                over = [one for one in store.ids() if store.summary(one) is not None]
                if len(over) >= count:
                    found = [store.record(session_id) for session_id in over]
                    return sorted(found, key=lambda record: record.header.started_at)
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def running(livekit, records, *, model="echo", slots=1, **settings):
    """The worker while it runs; it may have to be told to stop by the end of the block."""
    server = {"url": livekit.url, "api_key": livekit.api_key, "api_secret": livekit.api_secret}
    config = LiveKitConfig(**{**server, "greeting": False, **settings})
    ready = asyncio.Event()
    signals = Signals(on_ready=ready.set)
    policy = "off" if model == "echo" else "on"
    engine = EngineProcess(
        EngineConfig(num_slots=slots, policy=policy), model=model, is_echo=model == "echo"
    )
    serving = asyncio.create_task(
        serve_phone(config, engine, records=RecordsConfig(dir=records), signals=signals)
    )
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
        yield Running(engine, signals, serving, records)
    finally:
        waiting.cancel()
        signals.stop.set()
        signals.stop_now.set()
        await serving


@pytest.fixture
def make_worker(livekit, tmp_path):
    def make(**settings):
        return running(livekit, tmp_path / "records", **settings)

    return make
