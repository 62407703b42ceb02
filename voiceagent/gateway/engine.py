"""A gateway's engine: its process where it is this gateway's to start, and the client to it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

from voiceagent.errors import AtCapacity, ConfigError, PromptRefused
from voiceagent.gateway.config import GatewayConfig
from voiceagent.serving.ports import EngineClient, PortClient, SessionOptions
from voiceagent.serving.supervisor import EngineProcess

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def engine_client(engine: EngineProcess | str) -> AsyncIterator[EngineClient]:
    """The engine's client, and the engine where it is a process to be started and stopped."""
    async with contextlib.AsyncExitStack() as stack:
        if isinstance(engine, EngineProcess):
            await stack.enter_async_context(engine)
            engine = engine.address
        yield await stack.enter_async_context(EngineClient.connect(engine))


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
