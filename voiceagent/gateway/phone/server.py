"""One phone worker: the engine's supervisor and client, the calls, the LiveKit connection.

`serve_phone` runs until it is cancelled or told to stop; it logs and prints nothing. The engine
runs in a process of its own and this one never loads torch.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable

from voiceagent.clock import MonotonicClock
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.engine import engine_client, take_in_defaults
from voiceagent.gateway.phone.announcements import load_announcements
from voiceagent.gateway.phone.call import Setup
from voiceagent.gateway.phone.calls import Calls
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.control import RoomControl
from voiceagent.gateway.phone.http import health_server
from voiceagent.gateway.phone.secrets import quieten_livekit
from voiceagent.gateway.phone.watchdog import Watchdog
from voiceagent.gateway.phone.worker import Worker
from voiceagent.gateway.recording import Origin
from voiceagent.records.config import RecordsConfig
from voiceagent.serving.ports import SessionOptions
from voiceagent.serving.supervisor import EngineProcess

_log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Signals:
    """How whoever runs the worker speaks with it.

    Attributes:
        stop: set to drain: no new calls, those that go on may end.
        stop_now: set to end them too.
        on_ready: called once the LiveKit server knows the worker.
    """

    stop: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    stop_now: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    on_ready: Callable[[], None] = lambda: None


async def serve_phone(
    config: LiveKitConfig,
    engine: EngineProcess | str,
    *,
    gateway: GatewayConfig | None = None,
    records: RecordsConfig | None = None,
    signals: Signals | None = None,
) -> None:
    """Take calls until cancelled, or until told to stop and the last call is over.

    Args:
        config: of the worker.
        engine: a process to start and stop, or the address of one that runs.
        gateway: for role and voice of calls that ask for none.
        records: where sessions are recorded; nothing is kept without it.
        signals: to and from whoever runs it.

    Raises:
        ConfigError: something is missing, the server refuses the key, or a file cannot be used.
        EngineUnavailable: the engine died at start.
    """
    config.check_complete()
    quieten_livekit()
    sounds = load_announcements(config)
    signals, gateway = signals or Signals(), gateway or GatewayConfig()
    clock = MonotonicClock()
    async with (
        engine_client(engine) as client,
        _control(config) as control,
        Watchdog.running(config) as watchdog,
    ):
        await take_in_defaults(client, gateway)
        status = await client.status()
        calls = Calls(
            client,
            status.num_slots,
            Setup(config, sounds, control, clock, watchdog),
            _origin(engine),
            SessionOptions(role=gateway.role, voice=gateway.voice),
            records,
        )
        async with health_server(config, calls.metrics, client):
            await _run(Worker(config, calls, clock), calls, config, signals)


async def _run(worker: Worker, calls: Calls, config: LiveKitConfig, signals: Signals) -> None:
    """Until the connection fails for good, or all calls are over after the signal to stop."""
    running = asyncio.create_task(worker.run(), name="phone worker")
    ready = asyncio.create_task(_say_ready(worker, signals), name="phone readiness")
    stopping = asyncio.create_task(_stop(calls, config, signals), name="phone stop")
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running  # it only ever ends by an error
    finally:
        for task in (running, ready, stopping):
            task.cancel()
        await calls.close()
        await asyncio.gather(running, ready, stopping, return_exceptions=True)


async def _say_ready(worker: Worker, signals: Signals) -> None:
    await worker.registered.wait()
    signals.on_ready()


async def _stop(calls: Calls, config: LiveKitConfig, signals: Signals) -> None:
    await signals.stop.wait()
    _log.info("stopping: no new calls; %d go on", len(list(calls)))
    draining = asyncio.create_task(calls.drain(config.drain_within_s), name="phone drain")
    now = asyncio.create_task(signals.stop_now.wait(), name="phone stop now")
    try:
        await asyncio.wait({draining, now}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        now.cancel()
        draining.cancel()


def _origin(engine: EngineProcess | str) -> Origin:
    if isinstance(engine, str):
        return Origin(model="remote")
    turns = dataclasses.asdict(engine.config.engine.turns)
    return Origin(model=engine.config.name, turn_config=turns)


@contextlib.asynccontextmanager
async def _control(config: LiveKitConfig) -> AsyncIterator[RoomControl]:
    control = RoomControl(config)
    try:
        yield control
    finally:
        await control.close()
