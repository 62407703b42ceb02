"""How long a step will take once every conversation is long: measured before the first one begins.

A slot's attention reaches as far back as its conversation is long, up to the model's window; a
machine that keeps up with fresh conversations may fall behind with full ones. So the windows are
filled (with zeros: the arithmetic is the same), every slot steps, and the 99th percentile is what
decides how many are admitted. Who is refused then: `worker`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from voiceagent.audio.framing import FRAME_SAMPLES, Samples
from voiceagent.clock import Clock
from voiceagent.serving.metrics import StepForecast
from voiceagent.serving.session import StepInput
from voiceagent.serving.step import BatchStep

WARM_UP_STEPS = 3
MEASURED_STEPS = 30
#: A busy moment is no property of the machine: the best of so many tries counts.
MAX_TRIES = 5
#: Read to learn how fast memory is: far more than any cache holds.
PROBE_BYTES = 2**28


def forecast(batch: BatchStep, clock: Clock, num_slots: int | None = None) -> StepForecast:
    """Measure the steps of a batch that nobody uses; its slots are fresh afterwards.

    Args:
        batch: all of whose slots are free.
        clock: to measure by.
        num_slots: how many conversations take part; all by default.
    """
    count = num_slots or batch.num_slots
    floor_us = _floor_us(batch, clock, count)
    tries: list[StepForecast] = []
    while len(tries) < MAX_TRIES and not any(item.is_in_time for item in tries):
        p50_us, p99_us = _measure(batch, clock, count)
        tries.append(StepForecast(str(batch.device), count, p50_us, p99_us, floor_us))
    batch.state.reset(range(batch.num_slots))
    return min(tries, key=lambda item: item.p99_us)


def most_in_time(batch: BatchStep, clock: Clock) -> int:
    """How many conversations are held in time where all slots are too many; 0 for none."""
    count = batch.num_slots
    while count := count // 2:
        if forecast(batch, clock, count).is_in_time:
            return count
    return 0


def _measure(batch: BatchStep, clock: Clock, num_slots: int) -> tuple[int, int]:
    """Median and 99th percentile of full steps."""
    batch.fill_windows()
    pcm: Samples = np.random.default_rng(0).normal(0, 0.05, FRAME_SAMPLES).astype(np.float32)
    inputs = [StepInput(slot, pcm, False) for slot in range(num_slots)]
    times_us = []
    for _ in range(WARM_UP_STEPS + MEASURED_STEPS):
        begin_us = clock.now_us()
        batch.run(inputs)
        times_us.append(clock.now_us() - begin_us)
    p50, p99 = np.percentile(times_us[WARM_UP_STEPS:], (50, 99))
    return round(p50), round(p99)


def _floor_us(batch: BatchStep, clock: Clock, num_slots: int) -> int:
    """What reading the weights and these slots' states once takes at the speed of this memory."""
    modules = [part for part in (batch.codec, batch.decoder) if isinstance(part, nn.Module)]
    weights = sum(tensor.nbytes for module in modules for tensor in module.parameters())
    states = batch.state.num_bytes() * num_slots // batch.num_slots
    return round((weights + states) * _us_per_byte(batch.device, clock))


def _us_per_byte(device: torch.device, clock: Clock) -> float:
    """One stream through this device's memory: the best of five."""
    block = torch.ones(PROBE_BYTES // 4, device=device)
    times_us = []
    for _ in range(5):
        begin_us = clock.now_us()
        block.sum().item()
        times_us.append(clock.now_us() - begin_us)
    return min(times_us) / PROBE_BYTES
