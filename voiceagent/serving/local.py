"""The in-memory port: `ports.SessionPort` over an engine in this process, for tests and the CLI.

The same hub and the same port as between processes, without bytes and sockets between them. The
engine steps in the event loop, which stands still meanwhile: not for a gateway that carries media.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from voiceagent.clock import Clock, MonotonicClock
from voiceagent.errors import AtCapacity, EngineUnavailable, PromptRefused
from voiceagent.serving.config import SessionOptions
from voiceagent.serving.hub import Hub
from voiceagent.serving.messages import (
    AgentFrame,
    Announce,
    CloseSession,
    EngineStatus,
    FromEngine,
    OpenSession,
    OptionsRefused,
    Ping,
    SessionEnded,
    SessionKey,
    SessionOpened,
    SessionReady,
    SessionRefused,
    SoundPlayed,
    UserFrame,
)
from voiceagent.serving.session_port import SessionPort
from voiceagent.serving.stepping import SteppingEngine

_CLIENT = b"in memory"
_ADDRESS = "this process"


class LocalClient:
    """A `ports.PortClient`. Next: `open`; `close` in the end, or use `async with`."""

    def __init__(
        self, engine: SteppingEngine, *, model: str = "nano", clock: Clock | None = None
    ) -> None:
        self._clock = clock or MonotonicClock()
        self._hub = Hub(engine, model, self._clock)
        self._ports: dict[SessionKey, SessionPort] = {}
        self._opened: SessionOpened | SessionRefused | OptionsRefused | None = None
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="in-memory engine")
        self._task.add_done_callback(self._on_done)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self, options: SessionOptions | None = None) -> SessionPort:
        """Start a conversation.

        Raises:
            AtCapacity: every slot is taken.
            PromptRefused: there is no such voice, or the role is too long for the model.
            EngineUnavailable: the client was closed.
        """
        if self._task.done():
            raise EngineUnavailable(_ADDRESS, "the client was closed")
        self._hub.receive(_CLIENT, OpenSession(0, options or SessionOptions()))
        self._turn()
        answer, self._opened = self._opened, None
        if isinstance(answer, SessionRefused):
            raise AtCapacity(answer.num_slots, answer.retry_after_s)
        if isinstance(answer, OptionsRefused):
            raise PromptRefused(answer.reason)
        assert answer is not None, "the hub answers an opening in the same turn"
        return self._ports[answer.key]

    async def status(self) -> EngineStatus:
        """How the engine is doing."""
        return self._hub.status()

    async def close(self) -> None:
        """End all sessions; no effect the second time."""
        for port in list(self._ports.values()):
            await port.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def send_frame(self, frame: UserFrame) -> bool:
        """For ports: see `session_port.PortLink`."""
        self._hub.receive(_CLIENT, frame)
        self._news.set()
        return True

    def send_played(self, played: SoundPlayed) -> None:
        """For ports: see `session_port.PortLink`."""
        self._hub.receive(_CLIENT, played)

    def send_announced(self, announced: Announce) -> bool:
        """For ports: see `session_port.PortLink`."""
        self._hub.receive(_CLIENT, announced)
        return True

    def send_close(self, key: SessionKey) -> None:
        """For ports: see `session_port.PortLink`."""
        self._ports.pop(key, None)
        self._hub.receive(_CLIENT, CloseSession(key))
        self._news.set()

    async def _run(self) -> None:
        while True:
            self._hub.receive(_CLIENT, Ping())
            self._turn()
            wait_s = self._hub.wait_us() / 1e6
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            await asyncio.sleep(0)  # readers come first even when the next frame is there

    def _turn(self) -> None:
        for _, message in self._hub.turn():
            self._take(message)

    def _take(self, message: FromEngine) -> None:
        match message:
            case AgentFrame(key):
                if port := self._ports.get(key):
                    port.deliver(message)
            case SessionReady(key):
                if port := self._ports.get(key):
                    port.deliver(message)
            case SessionEnded(key):
                if port := self._ports.pop(key, None):
                    port.deliver(message)
            case SessionOpened():
                self._ports[message.key] = SessionPort(
                    message.key,
                    self,
                    self._clock,
                    is_prompted=message.is_prompted,
                    is_preparing=message.is_preparing,
                )
                self._opened = message
            case SessionRefused() | OptionsRefused():
                self._opened = message

    def _on_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        reason = f"the engine failed: {error}" if error else "the client was closed"
        for port in self._ports.values():
            port.end(reason)
        self._ports.clear()
