"""One measured call: Chromium, the relay and a server, put together and taken apart again.

The browser and the servers are processes that live as long as the benchmark; each call is a new
page and a new peer connection.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from loop_chirps import Sound
from loop_relay import LOOPBACK, Relay, Weather

HERE = Path(__file__).parent
#: A line holds the sound of a whole call.
MAX_LINE_BYTES = 64 * 2**20
#: The first call to a server loads what it needs.
ANSWER_WITHIN_S = 20


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What came of one call.

    Attributes:
        sent: float32 [N], 48 kHz, the microphone from when the call was connected.
        returned: float32 [N], what came back, on the same clock.
        stats: the browser's `inbound-rtp`, once a second.
        counters: by how much the server's counters grew; empty for a server without /metrics.
        lost: packets that the relay lost, both ways.
        passed: packets that it let through, both ways.
    """

    sent: Sound
    returned: Sound
    stats: list[dict[str, Any]]
    counters: dict[str, float]
    lost: int
    passed: int


class Browser:
    """Chromium, driven by Node. One call at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def launch(cls, microphone: Path, chromium: str) -> AsyncIterator[Browser]:
        """Start it with a wav for a microphone."""
        process = await asyncio.create_subprocess_exec(
            *("node", str(HERE / "loop_browser.mjs"), str(microphone)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            env={**os.environ, "CHROMIUM": chromium},
        )
        try:
            yield cls(process)
        finally:
            assert process.stdin is not None, "stdin is a pipe"
            process.stdin.close()
            await process.wait()

    async def call(
        self,
        server: Server,
        seconds: float,
        weather: Weather,
        seed: str,
        freeze_at_s: float | None = None,
    ) -> Call:
        """Call a server.

        Args:
            server: to be called.
            seconds: to record from when the call is connected.
            weather: what happens to its packets, from then on.
            seed: of what happens at random.
            freeze_at_s: when its process stops for as long as a stall, from then on.

        Raises:
            RuntimeError: the call did not come about; says why.
        """
        relay = Relay(weather, seed)
        await relay.open()
        before = await server.counters()
        try:
            self._say({"seconds": seconds})
            offer = await self._hear("offer")
            self._say({"answer": relay.answer(await server.answer(relay.offer(offer)))})
            await self._hear("recording")
            relay.begin()
            if freeze_at_s is not None:
                server.freeze(freeze_at_s, weather.stall_ms)
            call = await self._hear("call")
        finally:
            relay.close()
        after = await server.counters()
        return Call(
            sent=_sound(call["sent"]),
            returned=_sound(call["returned"]),
            stats=call["stats"],
            counters={name: after[name] - before.get(name, 0) for name in after},
            lost=relay.up.lost + relay.down.lost,
            passed=relay.up.passed + relay.down.passed,
        )

    def _say(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None, "stdin is a pipe"
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _hear(self, name: str) -> Any:
        assert self._process.stdout is not None, "stdout is a pipe"
        line = await self._process.stdout.readline()
        message = json.loads(line or b'{"error": "it ended"}')
        if name not in message:
            raise RuntimeError(f"the browser: {message.get('error', message)}")
        return message[name]


class Server:
    """One of `loop_servers`, in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self._url = url

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, name: str) -> AsyncIterator[Server]:
        """Start the server of this name."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / "loop_servers.py"), name),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "LOGURU_LEVEL": "ERROR"},  # Pipecat's log
        )
        assert process.stdout is not None, "stdout is a pipe"
        try:
            port = (await process.stdout.readline()).decode().strip()
            if not port:
                raise RuntimeError(f"the server {name} did not start")
            yield cls(process, f"http://{LOOPBACK}:{port}")
        finally:
            if process.returncode is None:
                process.terminate()
                process.send_signal(signal.SIGCONT)  # should it stand still
            await process.wait()

    async def answer(self, offer: str) -> str:
        """The SDP of its answer.

        Raises:
            RuntimeError: it refused.
        """
        async with httpx.AsyncClient(base_url=self._url, timeout=ANSWER_WITHIN_S) as http:
            response = await http.post("/api/offer", json={"sdp": offer, "type": "offer"})
        if response.status_code != 200:
            raise RuntimeError(f"the call was refused: {response.text}")
        return str(response.json()["sdp"])

    async def counters(self) -> dict[str, float]:
        """The counters of its /metrics, by name; none where it has no such page."""
        async with httpx.AsyncClient(base_url=self._url) as http:
            response = await http.get("/metrics")
        if response.status_code != 200:
            return {}
        pairs = (line.split() for line in response.text.splitlines() if not line.startswith("#"))
        return {
            name.removeprefix("voiceagent_").removesuffix("_total"): float(value)
            for name, value in pairs
            if name.endswith("_total")
        }

    def freeze(self, at_s: float, for_ms: int) -> None:
        """Stop its process for a while, as a busy machine or a collection of garbage would."""
        loop = asyncio.get_running_loop()
        loop.call_later(at_s, self._process.send_signal, signal.SIGSTOP)
        loop.call_later(at_s + for_ms / 1000, self._process.send_signal, signal.SIGCONT)


def _sound(text: str) -> Sound:
    return np.frombuffer(base64.b64decode(text), np.int16).astype(np.float32) / 32768
