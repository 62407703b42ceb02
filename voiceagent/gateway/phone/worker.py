"""The connection to a LiveKit server over which calls are offered: one that always comes back.

A WebSocket of `protocol.agent_worker`. When it breaks, calls go on, since each has a connection of
its own, and the worker registers again with a growing pause in between. Not here: the calls.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from voiceagent import __version__
from voiceagent.clock import Clock
from voiceagent.errors import BadMessage, ConfigError
from voiceagent.gateway.phone.calls import Calls
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.secrets import redact, worker_token
from voiceagent.gateway.phone.state import ATTRIBUTE
from voiceagent.gateway.protocol import agent_worker
from voiceagent.gateway.protocol.agent_worker import (
    MAX_MESSAGE_BYTES,
    Assigned,
    Event,
    Job,
    Offered,
    Registered,
    Terminated,
)

STATUS_EVERY_S = 1.0
REGISTERED_WITHIN_S = 10.0
#: An accepted job comes at once or not at all.
ASSIGNED_WITHIN_S = 15.0
#: Pauses between attempts: short for a while, since a server that restarts offers the jobs of its
#: rooms once, when their callers come back, to the workers that are there then.
FIRST_PAUSE_S, MAX_PAUSE_S = 0.2, 5.0
SHORT_PAUSES = 50
REASON_WITHIN_S = 0.5

_log = logging.getLogger(__name__)
#: Its debug lines hold the token.
_quiet = logging.getLogger(f"{__name__}.socket")
_quiet.setLevel(logging.WARNING)


class Worker:
    """Next: `run`, until it is cancelled."""

    def __init__(self, config: LiveKitConfig, calls: Calls, clock: Clock) -> None:
        self.registered = asyncio.Event()
        self._config = config
        self._calls = calls
        self._clock = clock
        self._socket: ClientConnection | None = None
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        calls.on_change = self._news.set

    async def run(self) -> None:
        """Be there for the server until cancelled.

        Raises:
            ConfigError: the server knows no such key, or takes no workers at this address.
        """
        try:
            await self._keep_connected()
        finally:
            for task in self._tasks:
                task.cancel()

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            try:
                async with self._connect() as socket:
                    failures = 0
                    await self._hold(socket)
                reason = "it closed the connection"
            except websockets.InvalidStatus as error:
                self._check_status(error.response.status_code)
                reason = f"HTTP status {error.response.status_code}"
            except (OSError, TimeoutError, websockets.WebSocketException, BadMessage) as error:
                reason = redact(str(error) or type(error).__name__)
            finally:
                self._set_registered(False)
            if failures % SHORT_PAUSES == 0:
                _log.warning("the LiveKit server at %s is lost: %s", self._config.url, reason)
            await asyncio.sleep(pause_after(failures) * random.uniform(0.5, 1.0))
            failures += 1

    def _connect(self) -> connect:
        return connect(
            worker_url(self._config.signal_url),
            additional_headers={"Authorization": f"Bearer {worker_token(self._config)}"},
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=REGISTERED_WITHIN_S,
            ping_interval=agent_worker.PING_EVERY_S,
            ping_timeout=agent_worker.PING_EVERY_S,
            close_timeout=1,
            proxy=None,
            logger=_quiet,
        )

    def _check_status(self, status: int) -> None:
        """A first connection that is refused stays so; a later one may be a server that starts."""
        if self._calls.metrics.has_registered:
            return
        if status in (401, 403):
            raise ConfigError(
                f"the LiveKit server at {self._config.url} refuses the key "
                f"'{self._config.api_key}' or its secret: give those of its `keys` "
                "(LIVEKIT_API_KEY, LIVEKIT_API_SECRET); both machines' clocks must agree"
            )
        if status == 404:
            raise ConfigError(
                f"{self._config.url} takes no agent workers: is it a LiveKit server, and is the "
                "path right?"
            )

    async def _hold(self, socket: ClientConnection) -> None:
        self._socket = socket
        await socket.send(agent_worker.register(self._config.agent_name, __version__))
        status = asyncio.create_task(self._send_status(socket), name="phone status")
        try:
            async for data in socket:
                await self._take(agent_worker.decode(data), socket)
        finally:
            self._socket = None
            status.cancel()

    async def _take(self, event: Event, socket: ClientConnection) -> None:
        match event:
            case Registered(worker_id, server):
                _log.info("registered with LiveKit %s as %s", server, worker_id)
                self._set_registered(True)
                if jobs := self._calls.job_ids():
                    await socket.send(agent_worker.migrate(jobs))
            case Offered(job):
                await socket.send(self._answer(job))
            case Assigned(job):
                self._spawn(self._report(event))
            case Terminated(job_id):
                _log.info("the server ended job %s", job_id)
                # the room tells why, a little later
                self._loop.call_later(REASON_WITHIN_S, self._calls.terminate, job_id)

    def _answer(self, job: Job) -> bytes:
        if not self._calls.would_take(job):
            return agent_worker.refuse(job.id)
        self._loop.call_later(ASSIGNED_WITHIN_S, self._give_up, job.id)
        attributes = {ATTRIBUTE: "initializing", **self._calls.claim(job)}
        name = self._config.agent_name or "agent"
        return agent_worker.accept(job.id, f"agent-{job.id}", name, attributes)

    def _give_up(self, job_id: str) -> None:
        if job_id not in self._calls.job_ids():
            self._calls.give_up(job_id)

    async def _report(self, assigned: Assigned) -> None:
        """Work on a job, and tell the server when it is over."""
        job_id = assigned.job.id
        await self._send(agent_worker.job_running(job_id))
        error = await self._calls.take(assigned)
        await self._send(agent_worker.job_over(job_id, error))

    async def _send_status(self, socket: ClientConnection) -> None:
        """Every second, and at once when something changes: calls come in bursts."""
        while True:
            calls = self._calls
            self._news.clear()
            message = agent_worker.status(calls.load, calls.num_busy, is_draining=calls.is_draining)
            try:
                await socket.send(message)
            except websockets.ConnectionClosed:
                return
            try:
                async with asyncio.timeout(STATUS_EVERY_S):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _send(self, message: bytes) -> None:
        """Send where there is a connection; news of jobs that an old one brought mean nothing."""
        if self._socket is not None:
            try:
                await self._socket.send(message)
            except websockets.ConnectionClosed:
                pass

    def _set_registered(self, is_registered: bool) -> None:
        self._calls.metrics.set_registered(is_registered)
        if is_registered:
            self.registered.set()
        else:
            self.registered.clear()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="phone worker")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def pause_after(failures: int) -> float:
    """Seconds until the next attempt, after so many failures in a row before this one."""
    return min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** min(10, max(0, failures - SHORT_PAUSES)))


def worker_url(url: str) -> str:
    """Where a server at this address takes workers."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + agent_worker.PATH
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
