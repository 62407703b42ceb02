"""One gateway process: the engine's supervisor, the engine's client, and the web server.

`serve` runs until it is cancelled or told to stop; it logs and prints nothing. The
engine runs in a process of its own and this one never loads torch.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable

import uvicorn

from voiceagent.clock import Clock, MonotonicClock
from voiceagent.errors import AtCapacity, ConfigError, PromptRefused
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.http import build_app
from voiceagent.gateway.ice import configure_ice
from voiceagent.gateway.peers import Peers
from voiceagent.gateway.quiet import quieten_pipecat
from voiceagent.records.config import RecordsConfig
from voiceagent.serving.ports import EngineClient, PortClient, SessionOptions
from voiceagent.serving.supervisor import EngineProcess

GRACE_S = 3
#: A page and its API need no more; media is not HTTP.
MAX_CONNECTIONS = 256

_log = logging.getLogger(__name__)


class HttpServer(uvicorn.Server):
    """Leaves signals to whoever runs the loop, and says when it listens."""

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[int], None], setting: str = "--port"
    ) -> None:
        """`setting` is how another port is chosen, for the message."""
        super().__init__(config)
        self._on_ready = on_ready
        self._setting = setting

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        try:
            await super().startup(sockets)  # type: ignore[arg-type]
        except SystemExit as error:  # uvicorn ends the process when the port is taken
            raise ConfigError(
                f"{self.config.host}:{self.config.port} cannot be listened on: is it taken? "
                f"Choose another with {self._setting}"
            ) from error
        if self.started:
            self._on_ready(self.servers[0].sockets[0].getsockname()[1])


async def serve(
    config: GatewayConfig,
    engine: EngineProcess | str,
    *,
    records: RecordsConfig | None = None,
    on_ready: Callable[[int], None] = lambda port: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve conversations until cancelled, or until `stop` is set.

    Args:
        config: of the gateway.
        engine: a process to start and stop, or the address of one that runs.
        records: where sessions are recorded; nothing is kept without it.
        on_ready: called with the port once the page can be opened.
        stop: ends it in order.

    Raises:
        ConfigError: the address is taken, or the certificate, role or voice cannot be used.
        EngineUnavailable: the engine died at start.
    """
    configure_ice(config)
    quieten_pipecat()
    clock = MonotonicClock()
    model, turns = "remote", None
    if isinstance(engine, EngineProcess):
        model, turns = engine.config.name, dataclasses.asdict(engine.config.engine.turns)
    async with (
        engine_client(engine) as client,
        _peers(Peers(client, config, clock, records, model, turns)) as peers,
    ):
        server = HttpServer(_uvicorn_config(config, peers, client, clock), on_ready)
        await take_in_defaults(client, config)
        waiter = asyncio.create_task(_stop_when(stop, server)) if stop else None
        try:
            await server.serve()
        finally:
            if waiter:
                waiter.cancel()


async def take_in_defaults(client: PortClient, config: GatewayConfig) -> None:
    """Have the engine take in the default role and voice before the first caller waits for it.

    Raises:
        ConfigError: they cannot be had.
    """
    if not (config.role or config.voice):
        return
    try:
        port = await client.open(SessionOptions(role=config.role, voice=config.voice))
    except PromptRefused as error:
        raise ConfigError(str(error)) from error
    except AtCapacity:
        return  # a shared engine at work: whoever calls first waits
    await port.wait_ready()
    if port.ended is not None:
        raise ConfigError(f"role and voice cannot be used: {port.ended}")
    if not port.is_prompted:
        _log.warning("this model takes no role and no voice: sessions go on without them")
    await port.close()


async def _stop_when(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


@contextlib.asynccontextmanager
async def engine_client(engine: EngineProcess | str) -> AsyncIterator[EngineClient]:
    """The engine's client, and the engine where it is a process to be started and stopped."""
    async with contextlib.AsyncExitStack() as stack:
        if isinstance(engine, EngineProcess):
            await stack.enter_async_context(engine)
            engine = engine.address
        yield await stack.enter_async_context(EngineClient.connect(engine))


@contextlib.asynccontextmanager
async def _peers(peers: Peers) -> AsyncIterator[Peers]:
    try:
        yield peers
    finally:
        await peers.close()


def _uvicorn_config(
    config: GatewayConfig, peers: Peers, client: PortClient, clock: Clock
) -> uvicorn.Config:
    uvicorn_config = uvicorn.Config(
        build_app(peers, client, config, clock),
        host=config.host,
        port=config.port,
        ssl_certfile=str(config.tls_cert) if config.tls_cert else None,
        ssl_keyfile=str(config.tls_key) if config.tls_key else None,
        log_config=None,
        access_log=False,
        lifespan="off",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        ws="none",
    )
    try:
        uvicorn_config.load()
    except (OSError, ValueError) as error:
        raise ConfigError(f"the certificate cannot be used: {error}") from error
    return uvicorn_config
