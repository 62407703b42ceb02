"""A phone worker in this process, at a real LiveKit server, around the echo engine or the model."""

import asyncio
import contextlib
import dataclasses
from pathlib import Path

import pytest
from livekit import api

from voiceagent.clock import MonotonicClock
from voiceagent.gateway.phone import entrance
from voiceagent.gateway.phone.announcements import load_announcements
from voiceagent.gateway.phone.call import Call, Setup
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.control import RoomControl
from voiceagent.gateway.phone.leg import Leg
from voiceagent.gateway.phone.server import Signals, serve_phone
from voiceagent.records.config import RecordsConfig
from voiceagent.records.store import RecordStore
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.local import LocalClient
from voiceagent.serving.supervisor import EngineProcess
from voiceagent.testing.sip_caller import Dialled, SipCaller


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
    before = asyncio.all_tasks()
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
        await entrance.all_left()
        await asyncio.sleep(0)
        left = {task.get_name() for task in asyncio.all_tasks() - before}
        assert not {name for name in left if name.startswith("phone")}


@pytest.fixture
def make_worker(livekit, tmp_path):
    def make(**settings):
        return running(livekit, tmp_path / "records", **settings)

    return make


@contextlib.asynccontextmanager
async def in_room(livekit, room="r", identity="agent", attributes=None):
    """A leg in a room, as a job would make it."""
    grants = api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True)
    token = api.AccessToken(livekit.api_key, livekit.api_secret).with_grants(grants)
    token = token.with_identity(identity).with_kind("agent").with_attributes(attributes or {})
    leg = Leg(room, MonotonicClock())
    await leg.join(livekit.url, token.to_jwt())
    try:
        yield leg
    finally:
        await leg.leave()


@pytest.fixture
def join(livekit):
    def join(**room):
        return in_room(livekit, **room)

    return join


@contextlib.asynccontextmanager
async def holding(livekit, join, dialled, **settings):
    """A caller and the call with it, around an echo engine in this process."""
    config = LiveKitConfig(
        url=livekit.url,
        api_key=livekit.api_key,
        api_secret=livekit.api_secret,
        **{"greeting": False, **settings},
    )
    control = RoomControl(config)
    setup = Setup(config, load_announcements(config), control, MonotonicClock())
    async with (
        SipCaller.dial(livekit, dialled) as caller,
        join(room=dialled.room) as leg,
        LocalClient(EchoEngine(), model="echo") as engine,
    ):
        await leg.wait_caller(5)
        call = Call(setup, leg, await engine.open())
        running = asyncio.create_task(call.run())
        try:
            yield caller, call, running
        finally:
            call.end("the test is over")
            await running
            await control.close()


@pytest.fixture
def hold(livekit, join):
    def hold(dialled=None, **settings):
        dialled = dialled or Dialled(room="r", agent_name=None)
        return holding(livekit, join, dialled, **settings)

    return hold
