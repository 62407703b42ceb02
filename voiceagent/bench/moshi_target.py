"""`ws://`: a server of Moshi's WebSocket protocol, spoken to as `moshi.client` does.

Opus in Ogg is written and read by `sphn`, as the reference's own server and client do it: it takes
bytes as they come and gives the sound that they hold, where PyAV's reader of Ogg would pull from a
file in a thread of its own and look ahead. What the bytes mean: `gateway.protocol.moshi`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import numpy as np
import sphn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from voiceagent.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.bench.live import STALL_S, Ears, Say, Sleep, ended, hold
from voiceagent.bench.target import OnFrames, Reply
from voiceagent.clock import Clock
from voiceagent.errors import ConfigError, ProtocolError
from voiceagent.gateway.protocol import moshi

JOIN_WITHIN_S = 20.0
LEAVE_WITHIN_S = 2.0
#: Messages that wait to be read; a server that sends more must wait.
MAX_QUEUED_MESSAGES = 32


class MoshiTarget:
    """A server of Moshi's protocol; see `target.Target`."""

    def __init__(
        self,
        url: str,
        *,
        join_within_s: float = JOIN_WITHIN_S,
        stall_s: float = STALL_S,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: ws:// or wss://; without a path, the protocol's own.
            join_within_s: longest wait for the handshake.
            stall_s: longest time without sound.
            clock: and
            sleep: of the conversation.

        Raises:
            ConfigError: the URL cannot be used.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ConfigError(f"{url}: expected ws://HOST:PORT or wss://HOST:PORT")
        self.name = url
        self._url = url if parts.path.strip("/") else parts._replace(path=moshi.PATH).geturl()
        self._join_within_s = join_within_s
        self._stall_s = stall_s
        self._clock = clock
        self._sleep = sleep

    async def converse(self, pcm: Samples, on_frames: OnFrames | None = None) -> Reply:
        """See `target.Target`."""
        return await hold(
            self.name,
            self._join,
            pcm,
            FRAME_SAMPLES,
            on_frames,
            stall_s=self._stall_s,
            clock=self._clock,
            sleep=self._sleep,
        )

    @contextlib.asynccontextmanager
    async def _join(self, ears: Ears) -> AsyncIterator[Say]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._join_within_s):
                    websocket = await stack.enter_async_context(self._connection())
                    call = _Call(websocket, ears)
                    await call.wait_open()
            except TimeoutError as error:
                reason = f"refused: no handshake within {self._join_within_s:g} s"
                raise ears.error(f"{reason}; does it hold another conversation?") from error
            except OSError as error:
                raise ears.error(f"cannot be reached: {error}") from error
            except (WebSocketException, ProtocolError) as error:
                raise ears.error(f"refused: {_reason(error)}") from error
            listener = asyncio.create_task(call.listen(), name="listen")
            stack.push_async_callback(ended, listener)
            yield call.say

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


class _Call:
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
            self._ears.fail(f"sent sound that is no Opus in Ogg ({error})")
            return np.empty(0, np.float32)


def _reason(error: WebSocketException | ProtocolError) -> str:
    if isinstance(error, ProtocolError):
        return f"it broke the protocol: {error}"
    if isinstance(error, ConnectionClosed):
        return f"it closed the connection ({error})"
    return str(error)
