"""Attention of one new step over a ring of past keys, with a position per slot.

The ring has `S` places; the key of absolute step `p` lies at place `p % S`. A place counts when its
age ``(position - place) % S`` is below ``min(context, position + 1)``, so a ring longer than
`context` can hold keys that are no longer (or, after a rollback, not yet) visible.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def ring_mask(positions: Tensor, ring_steps: int, context: int) -> Tensor:
    """Which places of the ring each slot may look at.

    Args:
        positions: i64 [B], absolute step being computed (its key is already in the ring).
        ring_steps: places in the ring, >= `context`.
        context: steps visible, the current one included.

    Returns:
        bool [B, 1, 1, ring_steps], True where the key counts.
    """
    places = torch.arange(ring_steps, device=positions.device)
    age = (positions[:, None] - places) % ring_steps
    visible = torch.clamp(positions + 1, max=context)
    return (age < visible[:, None])[:, None, None, :]


def ring_write(ring: Tensor, new: Tensor, positions: Tensor, active: Tensor | None) -> None:
    """Store this step's keys or values in place; inactive rows keep every bit.

    Args:
        ring: [B, H, S, D], written in place.
        new: [B, H, 1, D].
        positions: i64 [B], absolute steps.
        active: bool [B], or None when every row is.
    """
    num_slots, heads, ring_steps, width = ring.shape
    index = (positions % ring_steps)[:, None, None, None].expand(num_slots, heads, 1, width)
    if active is not None:
        new = torch.where(active[:, None, None, None], new, ring.gather(2, index))
    ring.scatter_(2, index, new)


def ring_attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Softmax attention over the visible places.

    Args:
        query: [B, H, 1, D].
        keys: [B, H, S, D].
        values: [B, H, S, D].
        mask: bool [B, 1, 1, S], of `ring_mask`.

    Returns:
        [B, H, 1, D].
    """
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
