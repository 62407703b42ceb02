"""Attention of one new step over a ring of past keys, with a position per slot.

The ring has `S` places. The first `pinned` positions of a slot keep their places for good; a later
position `p` lies at ``pinned + (p - pinned) % (S - pinned)``, which is ``p % S`` where nothing is
pinned. Visible are the pinned places and as many of the newest steps as fill the `context`, so a
ring longer than `context` can hold keys that are no longer (or, after a rollback, not yet) visible.

Pinned steps are attention sinks: they are seen as if they stood right before the newest steps, at a
distance that no longer grows once the context is full. Source: Xiao et al. 2023 (StreamingLLM),
arXiv 2309.17453, section 3.2, which numbers positions within the cache. Keys are stored turned to
their absolute positions, and the distance is set by turning the query back: see `sink_mask`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def ring_places(positions: Tensor, ring_steps: int, pinned: Tensor) -> Tensor:
    """Where the keys of some positions lie.

    Args:
        positions: i64 [B], absolute steps.
        ring_steps: places in the ring.
        pinned: i64 [B], leading positions that stay, below `ring_steps`.

    Returns:
        i64 [B].
    """
    rolling = pinned + (positions - pinned) % (ring_steps - pinned)
    return torch.where(positions < pinned, positions, rolling)


def ring_mask(
    positions: Tensor,
    ring_steps: int,
    context: int,
    pinned: Tensor | None = None,
    live_places: int | None = None,
) -> Tensor:
    """Which places of the ring each slot may look at.

    Args:
        positions: i64 [B], absolute step being computed (its key is already in the ring).
        ring_steps: places in the ring, >= `context`.
        context: steps visible, the current one included.
        pinned: i64 [B], below `context`; None for none.
        live_places: leading places to look at; those after them are known to be empty.

    Returns:
        bool [B, 1, 1, live_places or ring_steps], True where the key counts.
    """
    places = torch.arange(live_places or ring_steps, device=positions.device)
    now = positions[:, None]
    if pinned is None:
        return ((now - places) % ring_steps < torch.clamp(now + 1, max=context))[:, None, None, :]
    held = pinned[:, None]
    recent = torch.minimum((now + 1 - held).clamp(min=0), context - held)
    is_recent = (places >= held) & ((now - places) % (ring_steps - held) < recent)
    return (is_recent | (places < torch.minimum(held, now + 1)))[:, None, None, :]


def ring_write(ring: Tensor, new: Tensor, positions: Tensor, active: Tensor | None) -> None:
    """Store this step's keys or values in place; inactive rows keep every bit.

    Args:
        ring: [B, H, S, D], written in place.
        new: [B, H, 1, D].
        positions: i64 [B], absolute steps, or places of `ring_places`.
        active: bool [B], or None when every row is.
    """
    num_slots, heads, ring_steps, width = ring.shape
    index = (positions % ring_steps)[:, None, None, None].expand(num_slots, heads, 1, width)
    if active is not None:
        new = torch.where(active[:, None, None, None], new, ring.gather(2, index))
    ring.scatter_(2, index, new)


def sink_mask(
    mask: Tensor, query: Tensor, sink_query: Tensor, keys: Tensor, is_pinned: Tensor
) -> Tensor:
    """An additive mask under which pinned keys meet another query than the rest.

    A score is linear in the query, so the difference of the two queries gives what is to be added.
    It is exactly zero, and the attention bit for bit that without sinks, where the queries agree.

    Args:
        mask: bool [B, 1, 1, L], of `ring_mask`.
        query: [B, H, 1, D], for the places that roll.
        sink_query: [B, H, 1, D], for the pinned places.
        keys: [B, H, S, D].
        is_pinned: bool [B, 1, 1, P], P <= L, whether each of the first places is pinned.

    Returns:
        [B, H, 1, L] in the dtype of `query`: -inf where the key does not count.
    """
    count = is_pinned.shape[-1]
    turn = (sink_query.float() - query.float()).to(query.dtype)
    added = turn @ keys[:, :, :count].transpose(2, 3) * query.shape[-1] ** -0.5
    bias = query.new_zeros(query.shape[0], query.shape[1], 1, mask.shape[-1])
    bias[..., :count] = torch.where(is_pinned, added, 0.0)
    return bias.masked_fill(~mask, float("-inf"))


def ring_attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Softmax attention over the visible places.

    Args:
        query: [B, H, 1, D].
        keys: [B, H, S, D].
        values: [B, H, S, D].
        mask: bool [B, 1, 1, L] of `ring_mask`, or additive [B, H, 1, L] of `sink_mask`; only the
            first L <= S places are read.

    Returns:
        [B, H, 1, D].
    """
    live = mask.shape[-1]
    return F.scaled_dot_product_attention(
        query, keys[:, :, :live], values[:, :, :live], attn_mask=mask
    )
