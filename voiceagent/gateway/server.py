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
from voiceagent.errors import ConfigError
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.engine import engine_client, take_in_defaults
from voiceagent.gateway.http import build_app
from voiceagent.gateway.ice import configure_ice
from voiceagent.gateway.listener import HttpServer
from voiceagent.gateway.peers import Peers
from voiceagent.gateway.quiet import quieten_pipecat
from voiceagent.records.config import RecordsConfig
from voiceagent.serving.ports import PortClient
from voiceagent.serving.supervisor import EngineProcess

GRACE_S = 3
#: A page and its API need no more; media is not HTTP.
MAX_CONNECTIONS = 256

_log = logging.getLogger(__name__)


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


async def _stop_when(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


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
