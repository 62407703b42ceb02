"""The asyncio side of the engine process: all that a gateway may see of the engine. No torch.

`EngineClient` is one DEALER socket for all sessions of a process; each session is a `SessionPort`.
Its promises: nothing here waits for the engine except `open` and `status`, each with a deadline;
when the engine dies or falls silent every open port ends with a reason; the same client goes on
working when the engine is back. Not here: starting the engine (`supervisor`), or one in this very
process (`local`, with the same `PortClient` interface).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from voiceagent.clock import Clock, MonotonicClock
from voiceagent.errors import AtCapacity, EngineUnavailable, MalformedMessage, PromptRefused
from voiceagent.serving.config import SessionOptions, WorkerConfig
from voiceagent.serving.messages import (
    MAX_MESSAGE_BYTES,
    AgentFrame,
    Announce,
    CloseSession,
    EngineStatus,
    FromGateway,
    GetStatus,
    Message,
    OpenSession,
    OptionsRefused,
    Ping,
    Pong,
    SessionEnded,
    SessionKey,
    SessionOpened,
    SessionReady,
    SessionRefused,
    SoundPlayed,
    StatusReport,
    UserFrame,
    decode,
    encode,
)
from voiceagent.serving.session_port import PortFrame, SessionPort

__all__ = [
    "EngineClient",
    "EngineStatus",
    "PortClient",
    "PortFrame",
    "SessionOptions",
    "SessionPort",
]

#: How long `open` and `status` wait for an engine that is down.
ANSWER_WITHIN_S = 2.0
PING_EVERY_S = 0.5
#: An engine that says nothing for this long, not even to a ping, hangs.
SILENT_AFTER_US = 1_500_000
#: A ping this late is this process's fault, not the engine's.
STALL_US = 1_000_000
#: For what was said last, when the client is closed.
LINGER_MS = 50
#: Messages that may wait for an engine that does not read; the newest is dropped and counted.
HIGH_WATER = 1024

_log = logging.getLogger(__name__)
_Answer: TypeAlias = SessionPort | SessionRefused | OptionsRefused | EngineStatus


class PortClient(Protocol):
    """Where sessions come from: `EngineClient`, or `local.LocalClient` in one process."""

    async def open(self, options: SessionOptions | None = None) -> SessionPort:
        """Start a conversation; raises AtCapacity, PromptRefused or EngineUnavailable."""
        ...

    async def status(self) -> EngineStatus:
        """How the engine is doing; raises EngineUnavailable."""
        ...

    async def close(self) -> None:
        """End all sessions of this client."""
        ...


class EngineClient:
    """See the module's docstring. Next: `open`; `close` in the end, or use `async with`."""

    @classmethod
    def connect(
        cls, address: str, *, clock: Clock | None = None, answer_within_s: float = ANSWER_WITHIN_S
    ) -> Self:
        """A client of the engine at this address, which need not be up yet; needs a running loop.

        Args:
            address: "ipc:///path" or "tcp://127.0.0.1:port".
            clock: for lags; the machine's own by default, as the engine's is.
            answer_within_s: how long `open` and `status` wait before EngineUnavailable.

        Raises:
            ValueError: another kind of address.
        """
        return cls(
            WorkerConfig(address=address).address, clock or MonotonicClock(), answer_within_s
        )

    def __init__(self, address: str, clock: Clock, answer_within_s: float) -> None:
        self.address = address
        self._clock = clock
        self._answer_within_s = answer_within_s
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.set(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self._socket.set(zmq.SNDHWM, HIGH_WATER)
        self._socket.set(zmq.RCVHWM, HIGH_WATER)
        self._socket.set(zmq.RECONNECT_IVL, 20)
        self._socket.set(zmq.RECONNECT_IVL_MAX, 200)
        self._monitor: zmq.asyncio.Socket = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        self._socket.connect(address)
        self._connected = asyncio.Event()
        self._heard_us = clock.now_us()
        self._ports: dict[SessionKey, SessionPort] = {}
        self._closing: set[SessionKey] = set()
        self._answers: dict[int, asyncio.Future[_Answer]] = {}
        self._next_request = 0
        self._is_closed = False
        self._tasks = [
            self._start(self._receive(), "receive"),
            self._start(self._watch(), "watch"),
            self._start(self._ping(), "ping"),
        ]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def is_connected(self) -> bool:
        """Whether an engine is there now."""
        return self._connected.is_set()

    async def open(self, options: SessionOptions | None = None) -> SessionPort:
        """Start a conversation.

        Raises:
            AtCapacity: every slot is taken; known as soon as the engine's present step has ended.
            PromptRefused: there is no such voice, or the role is too long for the model.
            EngineUnavailable: no answer within `answer_within_s`.
        """
        request = self._new_request()
        answer = await self._ask(request, OpenSession(request, options or SessionOptions()))
        if isinstance(answer, SessionRefused):
            raise AtCapacity(answer.num_slots, answer.retry_after_s)
        if isinstance(answer, OptionsRefused):
            raise PromptRefused(answer.reason)
        if not isinstance(answer, SessionPort):
            raise EngineUnavailable(self.address, "it answered another question")
        return answer

    async def status(self) -> EngineStatus:
        """How the engine is doing.

        Raises:
            EngineUnavailable: no answer within `answer_within_s`.
        """
        request = self._new_request()
        answer = await self._ask(request, GetStatus(request))
        if not isinstance(answer, EngineStatus):
            raise EngineUnavailable(self.address, "it answered another question")
        return answer

    async def close(self) -> None:
        """End all sessions of this client; no effect the second time."""
        if self._is_closed:
            return
        self._is_closed = True
        for port in list(self._ports.values()):
            await port.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._give_up("the client was closed")
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=LINGER_MS)
        self._context.term()

    def send_frame(self, frame: UserFrame) -> bool:
        """For ports: see `session_port.PortLink`."""
        return self._send(frame)

    def send_played(self, played: SoundPlayed) -> None:
        """For ports: see `session_port.PortLink`."""
        self._send(played)

    def send_announced(self, announced: Announce) -> bool:
        """For ports: see `session_port.PortLink`."""
        return self._send(announced)

    def send_close(self, key: SessionKey) -> None:
        """For ports: see `session_port.PortLink`. Repeated until the engine confirms it."""
        self._ports.pop(key, None)
        self._closing.add(key)
        self._send(CloseSession(key))

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"engine client: {name}")
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        """A task of the client never ends by itself; if it does, no port may wait for it."""
        if task.cancelled() or self._is_closed:
            return
        _log.error("%s failed", task.get_name(), exc_info=task.exception())
        self._give_up(f"{task.get_name()} failed: {task.exception()}")

    def _new_request(self) -> int:
        self._next_request += 1
        return self._next_request

    async def _ask(self, request: int, message: FromGateway) -> _Answer:
        """Send a request and wait for its answer."""
        if self._is_closed:
            raise EngineUnavailable(self.address, "the client was closed")
        try:
            async with asyncio.timeout(self._answer_within_s):
                await self._connected.wait()
                return await self._answer_to(request, message)
        except TimeoutError as error:
            state = "it did not answer" if self.is_connected else "nothing listens there"
            reason = f"{state} within {self._answer_within_s:g} s"
            raise EngineUnavailable(self.address, reason) from error

    async def _answer_to(self, request: int, message: FromGateway) -> _Answer:
        if not self._send(message):
            raise EngineUnavailable(self.address, "it does not read what it is sent")
        future: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._answers[request] = future
        answer = None
        try:
            answer = await future
            return answer
        finally:
            del self._answers[request]
            if answer is None and future.done() and not future.cancelled():
                self._refuse(future)

    def _refuse(self, future: asyncio.Future[_Answer]) -> None:
        """Whoever asked was cancelled in the moment of the answer: no session may stay open."""
        if future.exception() is None and isinstance(port := future.result(), SessionPort):
            self.send_close(port.key)

    def _send(self, message: FromGateway) -> bool:
        """Send without waiting; False when there is no engine or its queue is full."""
        # not zmq.IMMEDIATE, which would do the same and lose the last words of a stopped engine
        if not self._connected.is_set():
            return False
        # with NOBLOCK the future is done when it is returned
        sent = self._socket.send(encode(message), zmq.NOBLOCK)
        error = sent.exception() if isinstance(sent, asyncio.Future) else None
        if error is not None and not isinstance(error, zmq.Again):
            raise error
        return error is None

    async def _receive(self) -> None:
        while True:
            data = await self._socket.recv()
            self._heard_us = self._clock.now_us()
            try:
                message = decode(data)
            except MalformedMessage as error:
                _log.warning("from the engine at %s: %s", self.address, error)
                continue
            self._take(message)

    def _take(self, message: Message) -> None:
        match message:
            case AgentFrame(key):
                if port := self._ports.get(key):
                    port.deliver(message)
            case SessionReady(key):
                if port := self._ports.get(key):
                    port.deliver(message)
            case SessionEnded(key):
                self._closing.discard(key)
                if port := self._ports.pop(key, None):
                    port.deliver(message)
            case SessionOpened():
                self._take_opened(message)
            case SessionRefused(request) | OptionsRefused(request):
                self._take_answer(request, message)
            case StatusReport(request, status):
                self._take_answer(request, status)
            case Pong():
                pass
            case _:
                _log.warning("%s from the engine at %s", type(message).__name__, self.address)

    def _take_opened(self, opened: SessionOpened) -> None:
        # registered here, so that no frame can come before its port
        port = SessionPort(
            opened.key,
            self,
            self._clock,
            is_prompted=opened.is_prompted,
            is_preparing=opened.is_preparing,
        )
        self._ports[opened.key] = port
        if not self._take_answer(opened.request, port):
            self.send_close(opened.key)  # whoever asked has given up

    def _take_answer(self, request: int, answer: _Answer) -> bool:
        future = self._answers.get(request)
        if future is None or future.done():
            return False
        future.set_result(answer)
        return True

    async def _watch(self) -> None:
        """End all ports when the connection is gone: an engine that dies cannot say so."""
        while True:
            event = parse_monitor_message(await self._monitor.recv_multipart())
            if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._heard_us = self._clock.now_us()
                self._connected.set()
                continue
            self._connected.clear()
            # its last words arrived before the event did; `_receive` takes them first
            while int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:  # noqa: ASYNC110
                await asyncio.sleep(0)
            self._give_up(f"the engine at {self.address} is gone")

    async def _ping(self) -> None:
        """Tell the engine that this gateway lives, and notice an engine that hangs."""
        while True:
            asleep_us = self._clock.now_us()
            await asyncio.sleep(PING_EVERY_S)
            now_us = self._clock.now_us()
            if now_us - asleep_us > STALL_US:
                self._heard_us = now_us  # this loop stood still: what came meanwhile is unread
            self._send(Ping())
            for key in self._closing:
                self._send(CloseSession(key))
            silent_us = now_us - self._heard_us
            if self._connected.is_set() and silent_us > SILENT_AFTER_US:
                self._hang_up(silent_us)

    def _hang_up(self, silent_us: int) -> None:
        """Give up the sessions of an engine that hangs; should it wake, they are closed."""
        keys = list(self._ports)
        self._give_up(f"the engine at {self.address} said nothing for {silent_us / 1e6:.1f} s")
        for key in keys:
            self.send_close(key)

    def _give_up(self, reason: str) -> None:
        ports, self._ports = self._ports, {}
        self._closing.clear()
        for port in ports.values():
            port.end(reason)
        for future in self._answers.values():
            if not future.done():
                future.set_exception(EngineUnavailable(self.address, reason))
