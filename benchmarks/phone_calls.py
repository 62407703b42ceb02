"""How many telephone calls this machine holds, for bench_phone: worker, model, LiveKit and callers.

Callers are simulated telephones in a process of their own; what they and the LiveKit server cost
is printed beside the worker's and not taken off, so the capacity is a lower bound.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from capacity_calls import _children, _cpu_s
from tqdm import tqdm

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.testing.livekit_stack import LiveKitStack, Programs
from voiceagent.testing.phone_worker import PhoneWorker
from voiceagent.testing.sip_caller import Dialled, SipCaller

DEADLINE_MS = 80
SETTLE_S = 6.0
#: From one question to the next of a caller.
EVERY_S = 6.0
ANSWER = "three plus four is seven"
# of all questions; the last one of a call may come too late to be answered, and is one in six
LEAST_RIGHT = 2 / 3
_COUNTERS = ("engine_missed_deadlines", "engine_frames", "phone_playout_underruns")


class Callers:
    """A process with so many callers; see `main`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, livekit: LiveKitStack, count: int, seconds: float) -> Callers:
        """Call, and wait until all are answered."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, str(count), str(seconds)),
            env={**os.environ, **livekit.environment()},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None, "it is a pipe"
        if await process.stdout.readline() != b"answered\n":
            raise SystemExit("bench_phone: not all callers were answered")
        return cls(process)

    async def ended(self) -> None:
        """Wait until they have hung up."""
        await self._process.wait()


async def hold(programs: Programs, num_calls: int, seconds: int, folder: Path) -> dict[str, Any]:
    """Hold so many calls for so long."""
    async with LiveKitStack.running(programs, folder) as livekit:
        environment = {
            **livekit.environment(),
            "VOICEAGENT_LIVEKIT_GREETING": "false",
            "VOICEAGENT_LIVEKIT_TARGET_LOAD": "1.0",
        }
        arguments = ["--slots", str(num_calls), "--allow-slow"]
        async with PhoneWorker.running(environment, folder / "worker", arguments) as worker:
            callers = await Callers.start(livekit, num_calls, SETTLE_S + seconds + 2)
            await asyncio.sleep(SETTLE_S)
            row = await _measure(livekit, worker, callers, seconds)
            await callers.ended()
            await worker.until("phone_calls_active", lambda n: n == 0, 5)
            asked = (SETTLE_S + seconds) // EVERY_S
            return {"calls": num_calls, **row, **_answers(worker, num_calls * asked)}


async def _measure(
    livekit: LiveKitStack, worker: PhoneWorker, callers: Callers, seconds: int
) -> dict[str, Any]:
    def cpu_s() -> dict[str, float]:
        return {
            "worker": _cpu_s(worker.pid),
            "engine": sum(map(_cpu_s, _children(worker.pid))),
            "livekit": sum(map(_cpu_s, livekit.pids)),
            "callers": _cpu_s(callers.pid),
        }

    before, cpu_before, begin_s = await worker.metrics(), cpu_s(), time.perf_counter()
    for _ in tqdm(range(seconds), desc="calls", unit="s", leave=False):
        await asyncio.sleep(1)
    elapsed_s = time.perf_counter() - begin_s
    after, cpu = await worker.metrics(), cpu_s()
    counted = {name: round(after[f"{name}_total"] - before[f"{name}_total"]) for name in _COUNTERS}
    return {
        "step_p50_ms": round(after["engine_step_p50_us"] / 1000, 1),
        "step_p99_ms": round(after["engine_step_p99_us"] / 1000, 1),
        **counted,
        "gaps_share": round(counted["phone_playout_underruns"] / counted["engine_frames"], 4),
        **{
            f"{name}_cpu_percent": round(100 * (cpu[name] - cpu_before[name]) / elapsed_s, 1)
            for name in cpu
        },
    }


def _answers(worker: PhoneWorker, asked: float) -> dict[str, Any]:
    """How late frames were, and what the agent said, in the records of all calls."""
    frames = [frame for session in worker.sessions() for frame in session.trace]
    said = "".join(frame.said or "" for frame in frames)
    lag_ms = np.percentile([frame.lag_us / 1000 for frame in frames], (50, 99))
    return {
        "lag_p50_ms": round(float(lag_ms[0]), 1),
        "lag_p99_ms": round(float(lag_ms[1]), 1),
        "right_answers_share": round(min(1.0, said.count(ANSWER) / asked), 3),
    }


def is_held(row: dict[str, Any]) -> bool:
    return bool(
        row["step_p99_ms"] < DEADLINE_MS
        and row["right_answers_share"] >= LEAST_RIGHT
        and row["gaps_share"] <= 0.02
    )


async def main(count: int, seconds: float) -> None:
    """So many callers who ask a question again and again, each out of step with the others."""

    class Server:
        url, api_key, api_secret = (
            os.environ[f"LIVEKIT_{name}"] for name in ("URL", "API_KEY", "API_SECRET")
        )

    question = read_wav(QUESTION).pcm
    pause = np.zeros(round(EVERY_S * SAMPLE_RATE_HZ) - question.size, np.float32)
    ready, answered = asyncio.Event(), 0

    async def talk(number: int) -> None:
        nonlocal answered
        await asyncio.sleep(0.313 * number)
        async with SipCaller.dial(Server(), Dialled(number=f"+1555{number:07}")) as caller:
            await caller.answered()
            answered += 1
            if answered == count:
                ready.set()
            asked = np.concatenate([question, pause])
            while not caller.end_reason:
                await caller.say(asked, SAMPLE_RATE_HZ)

    tasks = [asyncio.create_task(talk(number)) for number in range(count)]
    async with asyncio.timeout(60):
        await ready.wait()
    print("answered", flush=True)
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
