"""Mimi's streaming transformer: a frame's rows at a time against a ring of past keys.

The window is exactly that of streaming moshi 0.2.13: the ring has `context` places and all rows of
a call are written before the first of them reads. With two rows per frame and a context of 250 the
second row sees 250 keys and the first, whose oldest key the second one has overwritten, 249. (moshi
run on a whole recording and transformers let both see 250; rustymimi 251. Codes agree until the
ring wraps, after 125 frames, and on nearly all frames then.) Not the decoder of
`voiceagent.model`, which has other norms and computes one row per step.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from voiceagent_kernels.reference.ring_attention import ring_attention, ring_mask, ring_write
from voiceagent_kernels.reference.rope import apply_rope, rope_rotation

from voiceagent_codec.mimi_config import MimiConfig
from voiceagent_codec.streaming import SlotState, write

NORM_EPS = 1e-5


@dataclasses.dataclass
class RingState(SlotState):
    """One layer's past: [B, 2 * H, context, head_width], its keys and then its values."""

    keys_values: Tensor


@dataclasses.dataclass
class TransformerState(SlotState):
    """Where each slot stands: the absolute position of its next row, shared by all layers."""

    positions: Tensor  # i64 [B]
    layers: list[RingState]


class TransformerLayer(nn.Module):
    """Pre-norm attention and feed-forward, both residual and scaled per channel (LayerScale)."""

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        self.heads = config.heads
        width = config.width
        self.norm1 = nn.LayerNorm(width, NORM_EPS)
        self.attention_in = nn.Linear(width, 3 * width, bias=False)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.attention_scale = nn.Parameter(torch.full((width,), 0.01))
        self.norm2 = nn.LayerNorm(width, NORM_EPS)
        self.hidden_in = nn.Linear(width, config.hidden, bias=False)
        self.hidden_out = nn.Linear(config.hidden, width, bias=False)
        self.hidden_scale = nn.Parameter(torch.full((width,), 0.01))

    def forward(
        self,
        x: Tensor,
        ring: RingState,
        positions: Tensor,
        rotation: Tensor,
        mask: Tensor,
        active: Tensor | None,
    ) -> Tensor:
        """The next rows of every slot.

        Args:
            x: [B, T, D].
            ring: this layer's past.
            positions: i64 [B], absolute position of the first row.
            rotation: c64 [B, 1, T, head_width / 2] of `rope_rotation`.
            mask: bool [B, 1, T, context], the places each row looks at.
            active: bool [B] or None.

        Returns:
            [B, T, D].
        """
        query, keys_values = self.heads_of(x, rotation)
        for row in range(x.shape[1]):
            new = keys_values[:, :, row : row + 1]
            ring_write(ring.keys_values, new, positions + row, active)
        keys, values = ring.keys_values.chunk(2, dim=1)
        mixed = ring_attention(query, keys, values, mask)
        x = x + self.attention_scale * self.attention_out(mixed.transpose(1, 2).flatten(2))
        inner = F.gelu(self.hidden_in(self.norm2(x)))
        return x + self.hidden_scale * self.hidden_out(inner)

    def heads_of(self, x: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, D] -> queries [B, H, T, head_width]; keys, then values [B, 2 * H, T, head_width].

        Queries and keys are rotated.
        """
        joint = self.attention_in(self.norm1(x))
        heads = joint.view(*x.shape[:2], 3 * self.heads, -1).transpose(1, 2)
        turned = apply_rope(heads[:, : 2 * self.heads], rotation)
        keys_values = torch.cat((turned[:, self.heads :], heads[:, 2 * self.heads :]), dim=1)
        return turned[:, : self.heads], keys_values


class Transformer(nn.Module):
    """Layers in a row; see the module's docstring for what they see."""

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))

    def init_state(self, num_slots: int, device: torch.device | str) -> TransformerState:
        """State of fresh slots."""
        config = self.config
        shape = (num_slots, 2 * config.heads, config.context, config.head_width)
        dtype = next(self.parameters()).dtype
        return TransformerState(
            torch.zeros(num_slots, device=device, dtype=torch.int64),
            [
                RingState(torch.zeros(shape, device=device, dtype=dtype))
                for _ in range(config.layers)
            ],
        )

    def typed(self) -> list[TransformerLayer]:
        """The layers in order."""
        return list(self.layers)  # type: ignore[arg-type]  # ModuleList forgets what it holds

    def forward(self, x: Tensor, state: TransformerState, active: Tensor | None) -> Tensor:
        """The next rows [B, T, D] -> [B, T, D], T at most the context."""
        config, rows = self.config, x.shape[1]
        steps = state.positions[:, None] + torch.arange(rows, device=x.device)
        rotation = rope_rotation(steps, config.head_width, config.rope_base)
        # a later row of the call stands where an earlier one's oldest key was
        masks = [
            ring_mask(steps[:, row], config.context, config.context - (rows - 1 - row))
            for row in range(rows)
        ]
        mask = torch.cat(masks, dim=2)
        for layer, ring in zip(self.typed(), state.layers, strict=True):
            x = layer(x, ring, state.positions, rotation, mask, active)
        write(state.positions, state.positions + rows, active)
        return x
