"""How many sessions a GPU could carry, computed from sizes and bandwidths: a ceiling, no measure.

In every 80 ms step a decoder reads its matrices once for all sessions, and every session's keys and
values. With B sessions whose windows are full::

    time = sum over temporal, attention, depth, codec of max(bytes / bandwidth, FLOP / rate)
           + barriers of the depth loop
    temporal   bytes (temporal + text heads) * w       FLOP 2 B (temporal + text heads)
    attention  bytes B * keys and values * w           FLOP 2 B * keys and values
    depth      bytes depth * w                         FLOP 2 B depth
    codec      bytes weights + B (state + activations) FLOP B * per frame

with w bytes per element. `EFFICIENCY` of bandwidth and rate is taken to be reached, and
`BUDGET_SHARE` of a step to be used. Tables of embeddings are gathers of a few rows and not counted.
"""

from __future__ import annotations

import dataclasses

import torch

from voiceagent.model.config import DecoderConfig
from voiceagent.model.size import DecoderSize

STEP_S = 0.080
#: Of 80 ms: the rest is for what lies around the step, and for its slowest percent.
BUDGET_SHARE = 0.5
EFFICIENCY = 0.75
#: Kept free for activations and the runtime.
WORKSPACE_BYTES = 3e9
#: One synchronisation of a persistent depth kernel, five a layer and two a codebook.
BARRIER_S = 1.5e-6


@dataclasses.dataclass(frozen=True, slots=True)
class Gpu:
    """One kind of device.

    Attributes:
        bandwidth: bytes per second of a copy.
        rate: bfloat16 matrix FLOP per second.
        memory: bytes.
    """

    name: str
    bandwidth: float
    rate: float
    memory: float


#: H200 as measured by a copy and a matrix product; the others by their maker's numbers times what
#: the H200 reached of its own: 0.896 of the bandwidth, 0.80 of the rate.
GPUS = (
    Gpu("H200", 4.30e12, 790e12, 149e9),
    Gpu("H100 80GB", 3.00e12, 790e12, 85e9),
    Gpu("A100 80GB", 1.83e12, 249e12, 85e9),
    Gpu("L40S", 0.774e12, 289e12, 48e9),
    Gpu("L4", 0.269e12, 96.6e12, 24e9),
    Gpu("RTX 4090", 0.903e12, 132e12, 25.3e9),
)


@dataclasses.dataclass(frozen=True, slots=True)
class CodecCost:
    """What a codec adds to a step.

    Attributes:
        weight_bytes: read once.
        session_bytes: of state, held and read per session.
        activation_bytes: per session.
        flop: per session and frame, both directions.
    """

    weight_bytes: float
    session_bytes: float = 0.0
    activation_bytes: float = 0.0
    flop: float = 0.0


#: Mimi with 8 codebooks: weights in bfloat16, state in float32, FLOP counted on its modules; the
#: activations are an estimate.
MIMI = CodecCost(174e6, 16.5e6, 28e6, 0.857e9)


@dataclasses.dataclass(frozen=True, slots=True)
class Roofline:
    """A model on a device.

    Attributes:
        by_memory: sessions whose full windows fit beside the weights.
        by_time: sessions that a step can serve in its share of 80 ms.
    """

    gpu: Gpu
    by_memory: int
    by_time: int

    @property
    def sessions(self) -> int:
        """The ceiling."""
        return min(self.by_memory, self.by_time)


def step_seconds(
    config: DecoderConfig,
    size: DecoderSize,
    codec: CodecCost,
    gpu: Gpu,
    sessions: int,
    dtype: torch.dtype = torch.bfloat16,
    efficiency: float = EFFICIENCY,
) -> float:
    """Time of one step; see the module's docstring.

    Args:
        config: of the decoder.
        size: of the decoder.
        codec: beside it.
        gpu: that it runs on.
        sessions: B.
        dtype: of weights and keys.
        efficiency: share of bandwidth and rate that is reached; at 1 the barriers cost nothing.
    """
    matrices = size.temporal + size.text_heads
    kv_elements = size.kv_elements_per_step * config.context
    phases = (
        (matrices * dtype.itemsize, 2 * sessions * matrices),
        (sessions * kv_elements * dtype.itemsize, 2 * sessions * kv_elements),
        (size.depth * dtype.itemsize, 2 * sessions * size.depth),
        (
            codec.weight_bytes + sessions * (codec.session_bytes + codec.activation_bytes),
            sessions * codec.flop,
        ),
    )
    barriers = config.agent.codebooks * (5 * config.depth.transformer.layers + 2)
    times = (max(read / gpu.bandwidth, flop / gpu.rate) for read, flop in phases)
    return sum(times) / efficiency + (barriers * BARRIER_S if efficiency < 1 else 0.0)


def roofline(config: DecoderConfig, size: DecoderSize, codec: CodecCost, gpu: Gpu) -> Roofline:
    """The most sessions with every window full, in bfloat16."""
    dtype = torch.bfloat16
    free = gpu.memory - size.weight_bytes(dtype) - codec.weight_bytes - WORKSPACE_BYTES
    by_memory = int(free // (size.kv_bytes(dtype) + codec.session_bytes))
    low, high = 0, 1 << 14
    while low < high:
        middle = (low + high + 1) // 2
        if step_seconds(config, size, codec, gpu, middle) <= BUDGET_SHARE * STEP_S:
            low = middle
        else:
            high = middle - 1
    return Roofline(gpu, max(0, by_memory), low)
