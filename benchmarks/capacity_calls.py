"""Calls through the whole server, for bench_capacity: gateway, engine and model as users run them.

Callers are real WebRTC peers on the same machine; what they cost is measured and printed beside the
server's, but not taken off, so the capacity is a lower bound: a server whose callers are elsewhere
holds more.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from capacity_callers import PACKET_S, Caller
from tqdm import tqdm

DEADLINE_MS = 80
#: For the spare engine to have started, too.
SETTLE_S = 6.0
READY_WITHIN_S = 60.0
HELD_SHARE = 0.99
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_COUNTERS = (
    "engine_missed_deadlines",
    "engine_silent_frames",
    "engine_frames",
    "playout_underruns",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A `voiceagent serve` that runs."""

    url: str
    pid: int

    async def metrics(self) -> dict[str, float]:
        """Prometheus values by short name."""
        async with httpx.AsyncClient(base_url=self.url) as http:
            text = (await http.get("/metrics")).text
        pairs = re.findall(r"^voiceagent_(\w+?)(?:_total)? ([\d.e+-]+)$", text, re.M)
        return {name: float(value) for name, value in pairs}

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far of the gateway, of its engine processes, and of the callers here."""
        return {
            "gateway": _cpu_s(self.pid),
            "engine": sum(map(_cpu_s, _children(self.pid))),
            "callers": _cpu_s(os.getpid()),
        }


def _cpu_s(pid: int) -> float:
    """User and system time of a process.

    Source: proc(5), /proc/PID/stat, fields 14 and 15.
    """
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in text.split()]


@asynccontextmanager
async def serving(num_slots: int) -> AsyncIterator[Server]:
    """Start the server and stop it again."""
    with tempfile.TemporaryDirectory() as records:
        process = await asyncio.create_subprocess_exec(
            *(_voiceagent(), "serve", "--port", "0", "--slots", str(num_slots)),
            *("--records", records, "--allow-slow"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None, "it is a pipe"
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while not (found := re.search(rb"http://\S+:\d+", await process.stdout.readline())):
                    if process.stdout.at_eof():
                        raise SystemExit("voiceagent serve ended before it was ready")
            yield Server(found[0].decode(), process.pid)
        finally:
            process.terminate()
            await process.wait()


def _voiceagent() -> str:
    return str(Path(sys.executable).parent / "voiceagent")


async def hold(num_calls: int, seconds: int, packets: list[bytes]) -> dict[str, Any]:
    """Hold so many calls for so long."""
    async with serving(num_calls) as server:
        stagger = len(packets) * 7 // 11
        callers = [Caller(packets, i * stagger % len(packets)) for i in range(num_calls)]
        try:
            for number, caller in enumerate(callers):
                await caller.call(server.url)
                # one frame of 80 ms begins anywhere in another's
                await asyncio.sleep(0.13 + 0.011 * (number % 7))
            await asyncio.sleep(SETTLE_S)
            return await _measure(server, callers, seconds)
        finally:
            await asyncio.gather(*(caller.hang_up() for caller in callers))


async def _measure(server: Server, callers: list[Caller], seconds: int) -> dict[str, Any]:
    before, cpu_before = await server.metrics(), server.cpu_s()
    received = [caller.received for caller in callers]
    begin_s = time.perf_counter()
    for _ in tqdm(range(seconds), desc=f"{len(callers)} calls", unit="s", leave=False):
        await asyncio.sleep(1)
    elapsed_s = time.perf_counter() - begin_s
    after, cpu = await server.metrics(), server.cpu_s()
    shares = [
        (caller.received - count) * PACKET_S / elapsed_s
        for caller, count in zip(callers, received, strict=True)
    ]
    counts = {name: round(after[name] - before[name]) for name in _COUNTERS}
    return {
        "calls": len(callers),
        "step_p50_ms": round(after["engine_step_p50_us"] / 1000, 1),
        "step_p99_ms": round(after["engine_step_p99_us"] / 1000, 1),
        "missed_deadlines": counts["engine_missed_deadlines"],
        "frames": counts["engine_frames"],
        "silent_frames": counts["engine_silent_frames"],
        "underruns": counts["playout_underruns"],
        "worst_packet_share": round(min(shares), 3),
        **{
            f"{name}_cpu_percent": round(100 * (cpu[name] - cpu_before[name]) / elapsed_s, 1)
            for name in cpu
        },
    }


def is_held(row: dict[str, Any]) -> bool:
    return row["step_p99_ms"] < DEADLINE_MS and row["worst_packet_share"] >= HELD_SHARE
