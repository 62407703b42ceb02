"""Which addresses and ports the media listens on: what aioice has no settings for.

Both are functions of the whole process, so they are set once, before the first peer. A gateway on
loopback also offers 127.0.0.1, which aioice leaves out: a machine without a network has no other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import aioice.ice

from voiceagent.gateway.config import GatewayConfig

LOOPBACK = "127.0.0.1"

_host_addresses = aioice.ice.get_host_addresses


def configure_ice(config: GatewayConfig) -> None:
    """Set the media addresses of this process, and the ports of the running loop."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: addresses(
        config, _host_addresses(use_ipv4, use_ipv6)
    )
    if config.udp_ports is not None:
        loop = asyncio.get_running_loop()
        bind = in_range(loop.create_datagram_endpoint, *config.udp_ports)
        loop.create_datagram_endpoint = bind  # type: ignore[method-assign]


def addresses(config: GatewayConfig, of_machine: list[str]) -> list[str]:
    """Addresses to offer to peers."""
    if config.media_addresses:
        return list(config.media_addresses)
    return [*of_machine, LOOPBACK] if config.is_loopback else of_machine


def in_range(create: Callable[..., Any], first: int, last: int) -> Callable[..., Any]:
    """A `create_datagram_endpoint` that binds within the range where any port would do."""

    async def create_in_range(factory: Any, local_addr: Any = None, **options: Any) -> Any:
        if local_addr is None or local_addr[1] != 0:
            return await create(factory, local_addr=local_addr, **options)
        ports = list(range(first, last + 1))
        random.shuffle(ports)
        for port in ports:
            try:
                return await create(factory, local_addr=(local_addr[0], port), **options)
            except OSError as error:
                if port == ports[-1]:
                    raise OSError(f"no free UDP port in {first}-{last}") from error
        raise AssertionError("a range holds at least one port")

    return create_in_range
