"""How large a decoder is, from its config alone: no weight is read."""

from __future__ import annotations

import dataclasses

import torch

from voiceagent.model.config import DecoderConfig
from voiceagent.model.decoder import Decoder


@dataclasses.dataclass(frozen=True, slots=True)
class DecoderSize:
    """Parameters by what a step does with them, and the bytes of a session.

    Attributes:
        temporal: matrices of the temporal transformer, read once a step.
        text_heads: of the text streams, likewise.
        depth: matrices of the depth transformer, its inputs and heads, likewise.
        tables: embeddings, of which a step reads one row per stream.
        norms: vectors.
        kv_elements: keys and values of one session whose ring is full.
        kv_elements_per_step: of them, what one position of the context takes.
    """

    temporal: int
    text_heads: int
    depth: int
    tables: int
    norms: int
    kv_elements: int
    kv_elements_per_step: int

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.temporal + self.text_heads + self.depth + self.tables + self.norms

    def weight_bytes(self, dtype: torch.dtype) -> int:
        """Memory of the weights."""
        return self.parameters * dtype.itemsize

    def kv_bytes(self, dtype: torch.dtype) -> int:
        """Memory of one session's keys and values; its tokens and positions are a few kB."""
        return self.kv_elements * dtype.itemsize


def decoder_size(config: DecoderConfig) -> DecoderSize:
    """Count a decoder's parameters.

    Args:
        config: its sizes.
    """
    groups = dict.fromkeys(("temporal", "text_heads", "depth", "tables", "norms"), 0)
    for name, parameter in Decoder.outline(config).named_parameters():
        groups[_group(name)] += parameter.numel()
    per_step = 2 * config.temporal.layers * config.temporal.width
    return DecoderSize(
        **groups, kv_elements=per_step * config.ring_steps, kv_elements_per_step=per_step
    )


def _group(name: str) -> str:
    if "embedding" in name:
        return "tables"
    if "norm" in name:
        return "norms"
    if name.startswith("depth."):
        return "depth"
    return "temporal" if name.startswith("layers.") else "text_heads"
