"""The engine alone, for bench_capacity: sessions a core holds, what length costs, how one joins.

Sessions are out of step with each other, as live ones are: each gets its 80 ms frame at a moment of
its own, by the clock, and the engine steps whatever is complete. No sockets and no gateway, except
that joining is timed against an engine process as a gateway meets it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
from tqdm import tqdm

from voiceagent.audio.framing import FRAME_SAMPLES
from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.model.checkpoint import open_model
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.device import find_device, load_codec
from voiceagent.serving.engine import Engine
from voiceagent.serving.ports import EngineClient, SessionPort
from voiceagent.serving.session import StepInput
from voiceagent.serving.step import BatchStep
from voiceagent.serving.supervisor import EngineProcess

FRAME_S = 0.08
DEADLINE_MS = 80.0
#: Golden ratio: phases of any number of sessions spread evenly over a frame.
PHASE = 0.618034


def recording() -> np.ndarray:
    """The spoken question and a pause, [T, 1920]."""
    pcm = np.pad(read_wav(QUESTION).pcm, (0, 4 * 24_000))
    return pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


def hold(model: str, num_sessions: int, seconds: int) -> dict[str, Any]:
    """So many sessions in real time on one thread."""
    engine = Engine.load(model, EngineConfig(num_slots=num_sessions))
    sessions = [engine.open_session() for _ in range(num_sessions)]
    frames, steps_ms, lags_ms = recording(), [], []
    begin_s = time.perf_counter() + FRAME_S
    due_s = [begin_s + FRAME_S * (index * PHASE % 1) for index in range(num_sessions)]
    told = [0] * num_sessions
    with tqdm(total=seconds, desc=f"{num_sessions} sessions", unit="s", leave=False) as bar:
        while (now_s := time.perf_counter()) < begin_s + seconds:
            bar.update(int(now_s - begin_s) - bar.n)
            completed_s = []
            for index, session in enumerate(sessions):
                while due_s[index] <= now_s:
                    session.push(frames[(told[index] + 7 * index) % len(frames)])
                    completed_s.append(due_s[index])
                    told[index] += 1
                    due_s[index] += FRAME_S
            if not completed_s:
                time.sleep(max(0.0, min(due_s) - time.perf_counter()))
                continue
            while any(session.ready_frames for session in sessions):
                step_begin_s = time.perf_counter()
                engine.step()
                steps_ms.append(1000 * (time.perf_counter() - step_begin_s))
            lags_ms += [1000 * (time.perf_counter() - at_s) for at_s in completed_s]
    p50, p99 = np.percentile(steps_ms, (50, 99))
    return {
        "sessions": num_sessions,
        "step_p50_ms": round(float(p50), 1),
        "step_p99_ms": round(float(p99), 1),
        "lag_p99_ms": round(float(np.percentile(lags_ms, 99)), 1),
        "missed_share": round(float(np.mean(np.array(lags_ms) > DEADLINE_MS)), 4),
        "dropped_frames": sum(session.dropped_frames for session in sessions),
    }


def is_held(row: dict[str, Any]) -> bool:
    return row["step_p99_ms"] < DEADLINE_MS and row["dropped_frames"] == 0


def cost_by_length(model: str, batches: list[int], steps: int = 60) -> list[dict[str, Any]]:
    """Milliseconds a step and a session, by batch and by how long the conversations are."""
    folder = open_model(model)
    device = find_device("auto")
    codec, decoder = load_codec(folder, device), folder.load_decoder(device)
    frames, rows = recording(), []
    for size in tqdm(batches, desc="batch sizes", leave=False):
        for length in (1, decoder.config.context // 2, decoder.config.ring_steps):
            batch = BatchStep(codec, decoder, size)
            batch.fill_windows(length)
            inputs = [StepInput(slot, frames[slot % len(frames)], False) for slot in range(size)]
            times_ms = []
            for _ in range(steps):
                begin_s = time.perf_counter()
                batch.run(inputs)
                times_ms.append(1000 * (time.perf_counter() - begin_s))
            p50 = float(np.median(times_ms[5:]))
            rows.append(
                {
                    "sessions": size,
                    "steps_so_far": length,
                    "p50_ms": round(p50, 2),
                    "p50_ms_per_session": round(p50 / size, 2),
                }
            )
    return rows


def join_latency(model: str, num_sessions: int, joins: int = 20) -> dict[str, Any]:
    """Milliseconds from asking for a session to having it, and to its first frame."""
    return asyncio.run(_join_latency(model, num_sessions, joins))


async def _join_latency(model: str, num_sessions: int, joins: int) -> dict[str, Any]:
    config = EngineConfig(num_slots=num_sessions + 1, allow_slow=True)
    opened_ms, first_ms = [], []
    async with (
        EngineProcess(config, model=model, keep_spare=False) as process,
        EngineClient.connect(process.address) as client,
    ):
        ports = [await client.open() for _ in range(num_sessions)]
        talking = [asyncio.create_task(_talk(port, i)) for i, port in enumerate(ports)]
        await asyncio.sleep(1)
        for _ in tqdm(range(joins), desc="joins", leave=False):
            begin_s = time.perf_counter()
            port = await client.open()
            opened_ms.append(1000 * (time.perf_counter() - begin_s))
            port.push(np.full(FRAME_SAMPLES, 0.01, np.float32))
            await anext(port.frames())
            first_ms.append(1000 * (time.perf_counter() - begin_s))
            await port.close()
            await asyncio.sleep(0.11)
        for task in talking:
            task.cancel()
    return {
        "others": num_sessions,
        "joins": joins,
        **{
            f"{name}_{key}_ms": round(float(value), 1)
            for name, times in (("opened", opened_ms), ("first_frame", first_ms))
            for key, value in zip(("p50", "p99"), np.percentile(times, (50, 99)), strict=True)
        },
    }


async def _talk(port: SessionPort, index: int) -> None:
    frames = recording()
    begin_s = time.perf_counter() + FRAME_S * (index * PHASE % 1)
    reader = asyncio.create_task(_read(port))
    try:
        for number in range(10**9):
            await asyncio.sleep(max(0.0, begin_s + number * FRAME_S - time.perf_counter()))
            port.push(frames[(number + 7 * index) % len(frames)])
    finally:
        reader.cancel()


async def _read(port: SessionPort) -> None:
    async for _ in port.frames():
        pass
