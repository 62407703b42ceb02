"""A phone worker as a process of its own, for tests and benchmarks: started, asked, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import aiohttp

from voiceagent.errors import EngineUnavailable
from voiceagent.records.store import RecordStore, SessionRecord
from voiceagent.testing.livekit_stack import LOOPBACK, free_port

#: What `voiceagent livekit` prints when the server knows it.
READY = "registered at"
READY_WITHIN_S = 120.0
STOP_WITHIN_S = 15.0
#: The end of its log that a fault shows.
LOG_CHARS = 2000
COMMAND = (sys.executable, "-m", "voiceagent.cli", "livekit")


class PhoneWorker:
    """A `voiceagent livekit` that runs. Made by `running`.

    Attributes:
        records: where its sessions lie.
    """

    def __init__(self, process: Process, folder: Path, http_port: int) -> None:
        self.records = RecordStore(folder / "records")
        self._process = process
        self._log = folder / "log"
        self._metrics_url = f"http://{LOOPBACK}:{http_port}/metrics"

    @classmethod
    @contextlib.asynccontextmanager
    async def running(
        cls,
        environment: Mapping[str, str],
        folder: Path,
        arguments: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
    ) -> AsyncIterator[PhoneWorker]:
        """Start it and wait until calls reach it; kill it in the end.

        Args:
            environment: LIVEKIT_URL and so on, and settings as VOICEAGENT_ names.
            folder: for its log and records.
            arguments: more of its command line.
            command: that starts it.

        Raises:
            EngineUnavailable: it ended, or is not ready in time; holds the end of its log.
        """
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        port = free_port()
        given = {
            "VOICEAGENT_RECORDS_DIR": str(folder / "records"),
            "VOICEAGENT_LIVEKIT_HTTP_PORT": str(port),
            "OMP_NUM_THREADS": "1",
        }
        with (folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                *arguments,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **given, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        worker = cls(process, folder, port)
        try:
            await worker._until_ready()
            yield worker
        finally:
            await worker.stop(signal.SIGINT, signal.SIGINT)

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._process.pid

    async def metrics(self) -> dict[str, float]:
        """Its counters and gauges by name, without labels that only some have."""
        async with aiohttp.ClientSession() as http, http.get(self._metrics_url) as response:
            text = await response.text()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name.removeprefix("voiceagent_"): float(value) for name, value in pairs}

    async def until(self, name: str, is_so: Callable[[float], bool], within_s: float) -> float:
        """Wait until a metric is as it should be; returns how long that took, seconds.

        Raises:
            TimeoutError: it is not; holds its value and the end of the worker's log.
        """
        loop = asyncio.get_running_loop()
        began_s, value = loop.time(), float("nan")
        try:
            async with asyncio.timeout(within_s):
                # only asking tells
                while not is_so(value := (await self.metrics())[name]):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            what = f"{name} is {value:g} after {within_s:g} s"
            raise TimeoutError(f"{what}:\n{self.log[-LOG_CHARS:]}") from error
        return loop.time() - began_s

    async def until_logged(self, text: str, within_s: float) -> None:
        """Wait until it has written this.

        Raises:
            TimeoutError: it has not.
        """
        async with asyncio.timeout(within_s):
            while text not in self.log:  # noqa: ASYNC110  # a file
                await asyncio.sleep(0.05)

    async def last_session(self, within_s: float = 3.0) -> SessionRecord:
        """The record of the session that began last, once it is whole.

        Raises:
            TimeoutError: its call goes on.
        """
        async with asyncio.timeout(within_s):
            while (last := self.sessions()[-1]).summary is None:  # noqa: ASYNC110  # a file
                await asyncio.sleep(0.05)
        return last

    def sessions(self) -> list[SessionRecord]:
        """Records of its sessions, oldest first."""
        return [self.records.record(session_id) for session_id in self.records.ids()]

    def send(self, number: signal.Signals) -> None:
        """A signal to the process, which hands it to nobody."""
        self._process.send_signal(number)

    async def kill_engine(self) -> None:
        """End the engine's process as a crash would; it is the child that serves, not a spare."""
        listing = await asyncio.create_subprocess_exec(
            "ps", "--ppid", str(self.pid), "-o", "pid=,time=", stdout=asyncio.subprocess.PIPE
        )
        lines = (await listing.communicate())[0].decode().split("\n")
        # the engine has worked, its spare has only been started
        pid, _ = max((line.split() for line in lines if line.strip()), key=lambda pair: pair[1])
        os.kill(int(pid), signal.SIGKILL)

    async def ended(self, within_s: float) -> int:
        """Wait until it has ended by itself; returns its exit status.

        Raises:
            TimeoutError: it goes on.
        """
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def stop(self, *numbers: signal.Signals) -> None:
        """Signals in turn, then SIGKILL for all that it started."""
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                self.send(number)
            await asyncio.sleep(0.1)
        try:
            await self.ended(STOP_WITHIN_S)
        except TimeoutError:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while READY not in self.log:
                    if self._process.returncode is not None:
                        raise self._fault(f"ended with status {self._process.returncode}")
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise self._fault(f"not ready within {READY_WITHIN_S:g} s") from error

    def _fault(self, what: str) -> EngineUnavailable:
        return EngineUnavailable("the phone worker", f"{what}:\n{self.log[-LOG_CHARS:]}")
