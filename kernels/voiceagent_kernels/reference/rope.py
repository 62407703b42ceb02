"""Rotary position embedding with interleaved pairs (r0, i0, r1, i1, ...).

A pair is a complex number, turned by ``position * base**(-2 j / head_width)`` for pair ``j``, in
float32. Source: Su et al. 2021, arXiv 2104.09864; the interleaved layout is that of
kyutai-labs/moshi (`modules/rope.py`), not the half-split one of transformers.
"""

import torch
from torch import Tensor


def rope_rotation(positions: Tensor, head_width: int, base: float) -> Tensor:
    """The turn of every pair at a set of positions, shared by all layers of a step.

    Args:
        positions: i64 [B, T], absolute steps, >= 0.
        head_width: of one attention head, even.
        base: the longest period divided by 2 pi.

    Returns:
        c64 [B, 1, T, head_width / 2], of modulus 1.
    """
    exponent = torch.arange(0, head_width, 2, device=positions.device, dtype=torch.float64)
    # float64 keeps the angle exact beyond 2^16 steps
    angle = positions[:, None, :, None].double() * base ** (-exponent / head_width)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def apply_rope(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn queries or keys.

    Args:
        x: [B, H, T, head_width], any floating dtype.
        rotation: c64 [B, 1, T, head_width / 2], of `rope_rotation`.

    Returns:
        [B, H, T, head_width] in the dtype of `x`.
    """
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rotation).flatten(-2).to(x.dtype)
