"""A UDP relay between a browser and a server on this machine that loses or holds their packets.

Both sides see the relay as the other's only address: `through` rewrites the ICE candidates of an
offer or an answer. It needs no privileges, and what it does to a packet depends only on a seed and
on the time. Until `Relay.begin` it does nothing, so that every call is set up alike.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import re
from collections.abc import Callable

LOOPBACK = "127.0.0.1"
_CANDIDATE = re.compile(r"^a=candidate:.*(?:\r\n|\n)", re.MULTILINE)
_MEDIA = re.compile(r"^(m=.*(?:\r\n|\n))", re.MULTILINE)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to the packets of a call, in each direction.

    Attributes:
        loss: share of packets lost at random.
        stall_at_s: when packets stop passing, from `Relay.begin`; None for never.
        stall_ms: for how long.
        is_held: whether they all arrive together when it is over, as after a hiccup of a radio
            link, or never.
    """

    loss: float = 0.0
    stall_at_s: float | None = None
    stall_ms: int = 300
    is_held: bool = True

    def is_stalled(self, at_s: float) -> bool:
        """Whether nothing passes at this time."""
        if self.stall_at_s is None:
            return False
        return 0 <= at_s - self.stall_at_s < self.stall_ms / 1000


def through(description: str, port: int) -> str:
    """An SDP whose only candidate is this port on loopback."""
    line = f"a=candidate:1 1 udp 2130706431 {LOOPBACK} {port} typ host\r\n"
    bare = _CANDIDATE.sub("", description).replace("a=end-of-candidates\r\n", "")
    return _MEDIA.sub(rf"\g<1>{line}", bare)


def candidate_port(description: str) -> int:
    """The port of an SDP's UDP candidate on loopback.

    Raises:
        ValueError: it has none.
    """
    found = re.search(
        rf"^a=candidate:\S+ 1 udp \d+ {re.escape(LOOPBACK)} (\d+)", description, re.M | re.I
    )
    if not found:
        raise ValueError(f"no UDP candidate on {LOOPBACK}:\n{description}")
    return int(found[1])


class _Side(asyncio.DatagramProtocol):
    """One socket: gives what comes to `on_packet`, sends to whoever spoke last or was named."""

    def __init__(self, on_packet: Callable[[bytes], None]) -> None:
        self._on_packet = on_packet
        self._transport: asyncio.DatagramTransport | None = None
        self.peer: tuple[str, int] | None = None

    @property
    def port(self) -> int:
        assert self._transport is not None, "the relay is open"
        return self._transport.get_extra_info("sockname")[1]

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        self.peer = peer
        self._on_packet(data)

    def send(self, data: bytes) -> None:
        if self._transport is not None and self.peer is not None:
            self._transport.sendto(data, self.peer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Way:
    """One direction, with its own draws."""

    def __init__(self, weather: Weather, seed: str, send: Callable[[bytes], None]) -> None:
        self.passed = self.lost = 0
        self._weather = weather
        self._random = random.Random(seed)
        self._send = send
        self._held: list[bytes] = []
        self._begin_s: float | None = None

    def begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._begin_s = loop.time()
        if self._weather.stall_at_s is not None and self._weather.is_held:
            loop.call_later(self._weather.stall_at_s + self._weather.stall_ms / 1000, self._let_go)

    def take(self, data: bytes) -> None:
        if self._begin_s is None:
            self._send(data)
            return
        is_stalled = self._weather.is_stalled(asyncio.get_running_loop().time() - self._begin_s)
        if (is_stalled and not self._weather.is_held) or self._random.random() < self._weather.loss:
            self.lost += 1
            return
        self.passed += 1
        if is_stalled or self._held:
            self._held.append(data)
        else:
            self._send(data)

    def _let_go(self) -> None:
        for data in self._held:
            self._send(data)
        self._held.clear()


class Relay:
    """Next: `open`, `offer` and `answer` as they pass, `begin`, `close`."""

    def __init__(self, weather: Weather, seed: str) -> None:
        self._browser = _Side(lambda data: self.up.take(data))
        self._server = _Side(lambda data: self.down.take(data))
        #: From the browser to the server.
        self.up = _Way(weather, f"{seed} up", self._server.send)
        #: From the server to the browser.
        self.down = _Way(weather, f"{seed} down", self._browser.send)

    async def open(self) -> None:
        """Bind a port for each side."""
        loop = asyncio.get_running_loop()
        for side in (self._browser, self._server):
            await loop.create_datagram_endpoint(lambda side=side: side, local_addr=(LOOPBACK, 0))

    def offer(self, description: str) -> str:
        """The browser's offer, for the server."""
        return through(description, self._server.port)

    def answer(self, description: str) -> str:
        """The server's answer, for the browser."""
        self._server.peer = (LOOPBACK, candidate_port(description))
        return through(description, self._browser.port)

    def begin(self) -> None:
        """From now on the weather counts."""
        self.up.begin()
        self.down.begin()

    def close(self) -> None:
        """Close both sockets."""
        self._browser.close()
        self._server.close()
