"""`ws://`: a server of Moshi's WebSocket protocol, spoken to as `moshi.client` does.

Opus in Ogg is written and read by `sphn`, as the reference's own server and client do it: it takes
bytes as they come and gives the sound that they hold, where PyAV's reader of Ogg would pull from a
file in a thread of its own and look ahead. What the bytes mean: `gateway.protocol.moshi`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import numpy as np
import sphn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from voiceagent.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.bench.targets.base import Call, OnSeconds, Outcome, Reply, in_lanes
from voiceagent.bench.targets.live import Ears, Line, Say, check_url, ended, hold
from voiceagent.errors import ProtocolError
from voiceagent.gateway.protocol import moshi

LEAVE_WITHIN_S = 2.0
#: Messages that wait to be read; a server that sends more must wait.
MAX_QUEUED_MESSAGES = 32


class MoshiTarget:
    """A server of Moshi's protocol, which holds one conversation at a time; see `base.Target`."""

    def __init__(self, url: str, line: Line | None = None) -> None:
        """Connect to nothing yet.

        Args:
            url: ws:// or wss://; without a path, the protocol's own.
            line: how conversations are held; None is as usual.

        Raises:
            ConfigError: the URL cannot be used.
        """
        parts = check_url(url, ("ws", "wss"))
        self._url = url if parts.path.strip("/") else parts._replace(path=moshi.PATH).geturl()
        self._line = line or Line()

    @property
    def facts(self) -> dict[str, Any]:
        """Where it is; what it runs, it does not tell."""
        return {"target": "ws", "url": self._url, "pace": "real time"}

    def converse(self, calls: Iterable[Call], on_seconds: OnSeconds) -> Iterator[Outcome]:
        """See `base.Target`."""
        return in_lanes(calls, lambda call: asyncio.run(self.answer(call, on_seconds)))

    def close(self) -> None:
        """Nothing to let go of: every conversation has a connection of its own."""

    async def answer(self, call: Call, on_seconds: OnSeconds) -> Reply:
        """Hold one conversation.

        Raises:
            TargetError: the server refused, died or stalled.
        """
        return await hold(self._url, self._join, call, FRAME_SAMPLES, on_seconds, self._line)

    @contextlib.asynccontextmanager
    async def _join(self, ears: Ears) -> AsyncIterator[Say]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._line.join_within_s):
                    websocket = await stack.enter_async_context(self._connection())
                    peer = _Peer(websocket, ears)
                    await peer.wait_open()
            except TimeoutError as error:
                reason = f"refused: no handshake within {self._line.join_within_s:g} s"
                raise ears.error(f"{reason}; does it hold another conversation?") from error
            except OSError as error:
                raise ears.error(f"cannot be reached: {error}") from error
            except (WebSocketException, ProtocolError) as error:
                raise ears.error(f"refused: {_reason(error)}") from error
            listener = asyncio.create_task(peer.listen(), name="listen")
            stack.push_async_callback(ended, listener)
            yield peer.say

    def _connection(self) -> connect:
        return connect(
            self._url,
            compression=None,
            max_size=moshi.MAX_MESSAGE_BYTES + 1,
            max_queue=MAX_QUEUED_MESSAGES,
            open_timeout=None,  # the handshake's limit is that of both
            close_timeout=LEAVE_WITHIN_S,
            ping_interval=None,  # moshi.server computes on its loop; silence is watched by the ears
        )


class _Peer:
    """One conversation. Next: `wait_open`, then `listen` in a task and `say` frame after frame."""

    def __init__(self, websocket: ClientConnection, ears: Ears) -> None:
        self._websocket = websocket
        self._ears = ears
        self._messages = moshi.ServerMessages()
        self._writer = sphn.OpusStreamWriter(SAMPLE_RATE_HZ)
        self._reader = sphn.OpusStreamReader(SAMPLE_RATE_HZ)

    async def wait_open(self) -> None:
        """Wait for the handshake.

        Raises:
            TargetError: it said that it will not.
            ProtocolError: it said what may not come before it.
            ConnectionClosed: it hung up.
        """
        while not self._messages.is_open:
            self._take(self._messages.receive(await self._websocket.recv()))
            self._ears.check()

    async def say(self, frame: Samples) -> None:
        """Send 80 ms."""
        pages = self._writer.append_pcm(frame)
        with contextlib.suppress(ConnectionClosed):  # `listen` says why
            await self._websocket.send(moshi.encode(moshi.Audio(pages)))

    async def listen(self) -> None:
        """Hand on what comes until the other side goes."""
        try:
            async for message in self._websocket:
                self._take(self._messages.receive(message))
            self._ears.fail("it closed the connection")
        except (ConnectionClosed, ProtocolError) as error:
            self._ears.fail(_reason(error))

    def _take(self, event: moshi.Event) -> None:
        match event:
            case moshi.Audio(pages):
                self._ears.hear(self._sound(pages))
            case moshi.Text(piece):
                self._ears.read(piece)
            case moshi.Error(description):
                self._ears.fail(f"it says: {description}")

    def _sound(self, pages: bytes) -> Samples:
        try:
            return np.asarray(self._reader.append_bytes(pages), np.float32)
        except ValueError as error:
            self._ears.fail(f"it sent sound that is no Opus in Ogg ({error})")
            return np.empty(0, np.float32)


def _reason(error: WebSocketException | ProtocolError) -> str:
    if isinstance(error, ProtocolError):
        return f"it broke the protocol: {error}"
    if isinstance(error, ConnectionClosed):
        return f"it closed the connection ({error})"
    return str(error)
