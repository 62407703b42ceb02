"""Transformer layers of the decoder, with the streaming attention state beside them.

A layer has two ways through, which must agree: `step` (one new row against a ring of past keys) and
`forward` (a whole sequence, for training and for testing the ring). The depth transformer shares
these layers; its keys live only within one step.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from voiceagent_codec.streaming import SlotState, places
from voiceagent_kernels.reference.ring_attention import ring_attention, ring_write, sink_mask
from voiceagent_kernels.reference.rms_norm import rms_norm
from voiceagent_kernels.reference.rope import apply_rope

from voiceagent.model.config import TransformerConfig


@dataclasses.dataclass
class RingState(SlotState):
    """Past keys and values of one layer: [B, H, S, head_width] each."""

    keys: Tensor = dataclasses.field(metadata=places(2))
    values: Tensor = dataclasses.field(metadata=places(2))


@dataclasses.dataclass(frozen=True, slots=True)
class RingView:
    """What a step does with a ring, the same for every layer."""

    places: Tensor  # i64 [B], of `ring_places`: where the new key goes
    mask: Tensor  # bool [B, 1, 1, L], of `ring_mask`
    rotation: Tensor | None  # c64 [B, 1, 1, head_width / 2] of the step, of `rope_rotation`
    sink_rotation: Tensor | None = None  # the same, of the query that pinned keys meet
    is_pinned: Tensor | None = None  # bool [B, 1, 1, P], with `sink_rotation`


class Norm(nn.Module):
    """RMS or layer norm, by the config."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.eps = config.norm_eps
        self.weight = nn.Parameter(torch.ones(config.width))
        self.bias = nn.Parameter(torch.zeros(config.width)) if config.norm == "layer" else None

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        if self.bias is None:
            return rms_norm(x, self.weight, self.eps)
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)


class StepLinear(nn.Module):
    """A bias-free linear layer with one weight, or one per codebook: [steps, O, I]."""

    def __init__(self, width_in: int, width_out: int, steps: int) -> None:
        super().__init__()
        bound = width_in**-0.5
        self.weight = nn.Parameter(torch.empty(steps, width_out, width_in).uniform_(-bound, bound))

    def forward(self, x: Tensor, step: int = 0) -> Tensor:
        """[..., I] -> [..., O] with the weight of this step."""
        return F.linear(x, self.weight[step if self.weight.shape[0] > 1 else 0])

    def all_steps(self, x: Tensor) -> Tensor:
        """[N, K, I] -> [N, K, O], row k with the weight of step k."""
        if self.weight.shape[0] == 1:
            return F.linear(x, self.weight[0])
        return torch.einsum("nki,koi->nko", x, self.weight)


class TransformerLayer(nn.Module):
    """Pre-norm attention and feed-forward, both residual."""

    def __init__(self, config: TransformerConfig, steps: int = 1) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.width, config.hidden
        self.norm1 = Norm(config)
        self.norm2 = Norm(config)
        self.attention_in = StepLinear(width, 3 * width, steps)
        self.attention_out = StepLinear(width, width, steps)
        self.hidden_in = StepLinear(width, hidden * (2 if config.gated else 1), steps)
        self.hidden_out = StepLinear(hidden, width, steps)

    def init_ring(
        self, num_slots: int, ring_steps: int, device: torch.device | str, dtype: torch.dtype
    ) -> RingState:
        """A ring of fresh slots."""
        shape = (num_slots, self.config.heads, ring_steps, self.config.head_width)
        return RingState(
            torch.zeros(shape, device=device, dtype=dtype),
            torch.zeros(shape, device=device, dtype=dtype),
        )

    def step(self, x: Tensor, ring: RingState, view: RingView, active: Tensor | None) -> Tensor:
        """One new row per slot.

        Args:
            x: [B, D].
            ring: this layer's past.
            view: places, mask and rotations of the step.
            active: bool [B] or None.

        Returns:
            [B, D].
        """
        joint = self.attention_in(self.norm1(x))
        query, key, value = self._heads(joint, view.rotation)
        ring_write(ring.keys, key, view.places, active)
        ring_write(ring.values, value, view.places, active)
        mask = view.mask
        if view.sink_rotation is not None and view.is_pinned is not None:
            unturned = joint.view(len(x), 3 * self.config.heads, 1, -1)[:, : self.config.heads]
            sink_query = apply_rope(unturned, view.sink_rotation)
            mask = sink_mask(mask, query, sink_query, ring.keys, view.is_pinned)
        mixed = ring_attention(query, ring.keys, ring.values, mask)
        x = x + self.attention_out(mixed.reshape(x.shape))
        return x + self._feed_forward(self.norm2(x), 0)

    def depth_step(self, x: Tensor, ring: RingState, codebook: int) -> Tensor:
        """One codebook's row [B, D] against those of the codebooks before it."""
        query, key, value = self._heads(self.attention_in(self.norm1(x), codebook), None)
        ring.keys[:, :, codebook] = key[:, :, 0]
        ring.values[:, :, codebook] = value[:, :, 0]
        past = slice(0, codebook + 1)
        mixed = F.scaled_dot_product_attention(
            query, ring.keys[:, :, past], ring.values[:, :, past]
        )
        x = x + self.attention_out(mixed.reshape(x.shape), codebook)
        return x + self._feed_forward(self.norm2(x), codebook)

    def forward(self, x: Tensor, rotation: Tensor | None, mask: Tensor) -> Tensor:
        """A whole sequence: [B, T, D] -> [B, T, D]; `mask` bool [T, T], True where visible."""
        joint = self.attention_in.all_steps(self.norm1(x))
        batch, length, _ = x.shape
        heads = joint.view(batch, length, 3, self.config.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind(0)
        if rotation is not None:
            query, key = apply_rope(query, rotation), apply_rope(key, rotation)
        mixed = _attention(query, key, value, mask)
        x = x + self.attention_out.all_steps(mixed.transpose(1, 2).reshape(x.shape))
        inner = self.hidden_in.all_steps(self.norm2(x))
        return x + self.hidden_out.all_steps(self._activate(inner))

    def _heads(self, joint: Tensor, rotation: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """[B, 3 D] -> query, key and value [B, H, 1, head_width], the first two rotated."""
        config = self.config
        heads = joint.view(-1, 3 * config.heads, 1, config.head_width)
        turned, value = heads[:, : 2 * config.heads], heads[:, 2 * config.heads :]
        if rotation is not None:
            turned = apply_rope(turned, rotation)
        return turned[:, : config.heads], turned[:, config.heads :], value

    def _feed_forward(self, x: Tensor, codebook: int) -> Tensor:
        return self.hidden_out(self._activate(self.hidden_in(x, codebook)), codebook)

    def _activate(self, inner: Tensor) -> Tensor:
        if not self.config.gated:
            return F.gelu(inner)
        gate, value = inner.chunk(2, dim=-1)
        return F.silu(gate) * value


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Attention of a whole sequence; [B, H, T, D], mask bool [T, T].

    To be trained on a CPU it is spelled out: PyTorch's kernel for CPUs takes 1.6 times as long.
    """
    if query.device.type != "cpu" or not query.requires_grad:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    hidden = torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    mixed: Tensor = (scores + hidden.to(scores.dtype)).softmax(-1) @ value
    return mixed
