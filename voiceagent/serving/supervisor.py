"""Keeps one engine process alive: start, wait until ready, restart when it dies, stop.

The process is `worker` run by this Python, its stderr goes to the log. Importing torch takes
seconds, so a spare process that has done so waits for the engine to die: sessions can be opened
again as soon as the weights are loaded. The address stays the same over restarts. No torch here.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from voiceagent.errors import EngineUnavailable
from voiceagent.serving.config import EngineConfig, WorkerConfig
from voiceagent.serving.metrics import StepForecast
from voiceagent.serving.worker import READY_WORD, SERVE_LINE, to_arguments

#: From start to ready: a large model's weights come from a disk.
READY_WITHIN_S = 120.0
#: From SIGTERM to SIGKILL.
STOP_WITHIN_S = 5.0
#: Before an engine that died at once is started again; doubles up to the last.
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.5, 8.0
#: An engine that lived shorter than this is not started again at once.
LONG_LIFE_S = 10.0
TAIL_LINES = 20

_log = logging.getLogger(__name__)


class _Child:
    """One worker process. Next: `serve`, then `wait`; `stop` at any time."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._reader = asyncio.create_task(self._read_stderr(), name=f"engine {process.pid} stderr")

    @classmethod
    async def start(cls, config: WorkerConfig) -> Self:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voiceagent.serving.worker"),
            *to_arguments(config),
            "--supervised",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=2**20,
            start_new_session=True,  # Ctrl-C is for the supervisor, who then ends it in order
        )
        return cls(process)

    async def serve(self, address: str) -> tuple[str, StepForecast | None]:
        """Let it be the engine; returns its address and forecast once sessions can be opened."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(ConnectionError):  # it is dead already: said below
            self.process.stdin.write(SERVE_LINE)
            await self.process.stdin.drain()
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                line = (await self.process.stdout.readline()).decode().split(maxsplit=2)
        except TimeoutError as error:
            await self.stop()
            reason = f"it was not ready within {READY_WITHIN_S:g} s"
            raise EngineUnavailable(address, reason) from error
        if line[:1] != [READY_WORD]:
            status = await self.wait()
            raise EngineUnavailable(address, f"it ended at start, {status}:\n{self.tail}")
        found = json.loads(line[2])
        return line[1], StepForecast(**found) if found else None

    @property
    def tail(self) -> str:
        """Its last lines on stderr."""
        return "\n".join(self._tail)

    async def wait(self) -> str:
        """Wait until it is dead; returns how it died, in words."""
        code = await self.process.wait()
        await self._reader
        return f"exit status {code}" if code >= 0 else f"killed by signal {-code}"

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self.process.wait()
        except TimeoutError:
            _log.warning("engine %d does not stop: killed", self.process.pid)
            self.process.kill()
        await self.wait()

    async def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            text = line.decode(errors="replace").rstrip()
            self._tail.append(text)
            _log.info("engine %d: %s", self.process.pid, text)


class EngineProcess:
    """See the module's docstring. Next: `start`, `stop` in the end, or use `async with`."""

    def __init__(
        self,
        config: EngineConfig | None = None,
        *,
        model: str = "nano",
        is_echo: bool = False,
        adapter: Path | None = None,
        voices: Path | None = None,
        address: str | None = None,
        keep_spare: bool = True,
    ) -> None:
        """Nothing is started yet.

        Args:
            config: slots and queues; one slot by default.
            model: "nano" or a model folder.
            is_echo: an engine that gives each session its own sound back; has no spare.
            adapter: a folder with a LoRA or DoRA adapter for the model.
            voices: the folder of registered voices.
            address: where it shall listen; a socket in a new private folder by default.
            keep_spare: hold a second process (some 200 MB) that makes a restart quick.

        Raises:
            ValueError: an address that is neither ipc nor 127.0.0.1.
        """
        self._folder = None
        if address is None:
            self._folder = tempfile.TemporaryDirectory(prefix="voiceagent-")
            address = f"ipc://{Path(self._folder.name) / 'engine'}"
        self.config = WorkerConfig(
            address=address,
            model=model,
            is_echo=is_echo,
            adapter=adapter,
            voices=voices,
            engine=config or EngineConfig(),
        )
        #: What its steps take when all conversations are long; None until started, and of an echo.
        self.forecast: StepForecast | None = None
        #: Times that the engine died and was started again.
        self.restarts = 0
        self._keep_spare = keep_spare and not is_echo
        self._child: _Child | None = None
        self._spare: _Child | None = None
        self._ready = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        """For `ports.EngineClient.connect`; final once started."""
        return self.config.address

    @property
    def pid(self) -> int | None:
        """Of the present engine process."""
        return self._child.process.pid if self._child else None

    @property
    def is_ready(self) -> bool:
        """Whether sessions can be opened now."""
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Wait until sessions can be opened."""
        await self._ready.wait()

    async def start(self) -> None:
        """Start the engine and wait until sessions can be opened.

        Raises:
            EngineUnavailable: it died at start; has its last lines.
        """
        try:
            await self._run(await _Child.start(self.config))
        except BaseException:
            await self.stop()
            raise
        self._watcher = asyncio.create_task(self._watch(), name="engine supervisor")

    async def stop(self) -> None:
        """End the engine and remove its socket; no effect the second time."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        self._ready.clear()
        children = [child for child in (self._child, self._spare) if child]
        self._watcher = self._child = self._spare = None
        await asyncio.gather(*(child.stop() for child in children))
        if self._folder:
            self._folder.cleanup()

    async def _run(self, child: _Child) -> None:
        """Make a started child the engine."""
        self._child = child
        # a port that the system chose must stay the same over restarts
        address, forecast = await child.serve(self.config.address)
        self.forecast = forecast or self.forecast
        self.config = dataclasses.replace(self.config, address=address, is_restart=True)
        self._ready.set()
        if self._keep_spare and self._spare is None:
            await self._start_spare()

    async def _start_spare(self) -> None:
        try:
            self._spare = await _Child.start(self.config)
        except (EngineUnavailable, OSError) as error:  # sessions go on without it
            _log.error("no spare engine, a restart takes longer: %s", error)

    async def _watch(self) -> None:
        """Restart the engine each time it dies; at once, unless it lives only seconds."""
        backoff_s = 0.0
        loop = asyncio.get_running_loop()
        while True:
            assert self._child is not None
            begin_s = loop.time()
            how = await self._child.wait()
            self._ready.clear()
            self.restarts += 1
            lived_s = loop.time() - begin_s
            backoff_s = 0.0 if lived_s > LONG_LIFE_S else _longer(backoff_s)
            _log.error("the engine died (%s); starting it again", how)
            await self._restart(backoff_s)

    async def _restart(self, backoff_s: float) -> None:
        while True:
            await asyncio.sleep(backoff_s)
            spare, self._spare = self._spare, None
            try:
                await self._run(spare or await _Child.start(self.config))
            except (EngineUnavailable, OSError) as error:  # the latter: no memory or process left
                backoff_s = _longer(backoff_s)
                _log.error("%s; trying again in %g s", error, backoff_s)
            else:
                return


def _longer(backoff_s: float) -> float:
    return min(max(2 * backoff_s, FIRST_BACKOFF_S), LAST_BACKOFF_S)
