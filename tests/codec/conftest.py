"""A tiny Mimi of calibrated random weights, and its transformer computed without a ring."""

import math
from pathlib import Path

import pytest
import torch
from voiceagent_codec.mimi import MimiCodec, load_mimi_codec
from voiceagent_codec.mimi_config import MimiConfig
from voiceagent_kernels.reference.rope import rope_rotation

GOLDEN = Path(__file__).parent.parent / "golden" / "mimi"
TINY = MimiConfig(
    codebooks=4,
    cardinality=32,
    code_width=8,
    filters=4,
    strides=(2, 3),
    width=16,
    heads=2,
    layers=2,
    hidden=32,
    context=40,
)


@pytest.fixture
def tiny_config() -> MimiConfig:
    return TINY


@pytest.fixture
def mimi_golden() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def tiny_mimi() -> MimiCodec:
    return load_mimi_codec(GOLDEN / "weights.safetensors", TINY)


def attend_offline(transformer, x):
    """All rows at once, by the definition of the window: [B, T, D] -> [B, T, D]."""
    config, rows = transformer.config, torch.arange(x.shape[1])
    newest = rows | 1  # the last row of a row's frame has been written when it reads
    visible = (rows <= rows[:, None]) & (rows > newest[:, None] - config.context)
    rotation = rope_rotation(rows[None], config.head_width, config.rope_base)
    for layer in transformer.typed():
        query, keys_values = layer.heads_of(x, rotation)
        keys, values = keys_values.chunk(2, dim=1)
        scores = query @ keys.transpose(2, 3) / math.sqrt(config.head_width)
        mixed = scores.masked_fill(~visible, float("-inf")).softmax(-1) @ values
        x = x + layer.attention_scale * layer.attention_out(mixed.transpose(1, 2).flatten(2))
        inner = torch.nn.functional.gelu(layer.hidden_in(layer.norm2(x)))
        x = x + layer.hidden_scale * layer.hidden_out(inner)
    return x


@pytest.fixture
def offline():
    return attend_offline
