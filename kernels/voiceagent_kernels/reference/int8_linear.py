"""A linear layer in 8 bits: weights per row as stored, inputs row by row as they come.

Each input row is scaled by its largest value, so a row's result does not depend on the others of
the batch, and sums of integers are exact: a row gives the same bits alone and among others.
Source: Dettmers et al. 2022 (LLM.int8), arXiv 2208.07339, section 3.1, without its outliers.
"""

import functools

import torch
from torch import Tensor

_LEAST = 1e-12
_HIGHEST = 127


def int8_linear(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    """``x @ (weight * scale[:, None]).T + bias``, with `x` rounded to 8 bits row by row.

    Args:
        x: f32 [..., I].
        weight: int8 [O, I].
        scale: f32 [O], of the weight's rows.
        bias: f32 [O] or None.

    Returns:
        f32 [..., O].
    """
    rows = x.reshape(-1, x.shape[-1])
    unit = rows.abs().amax(-1, keepdim=True).clamp_(min=_LEAST).div_(_HIGHEST)
    whole = (rows / unit).round_().to(torch.int8)
    y = _exact_product(whole, weight).mul_(unit)
    y = y * scale if bias is None else torch.addcmul(bias, y, scale)
    return y.view(*x.shape[:-1], -1)


def _exact_product(x: Tensor, weight: Tensor) -> Tensor:
    """f32 [N, O] of int8 [N, I] and [O, I]; elsewhere than on a CPU with VNNI slowly."""
    if x.device.type == "cpu" and int8_is_fast():
        return torch._int_mm(x, weight.t()).float()
    return (x.double() @ weight.t().double()).float()


@functools.cache
def int8_is_fast() -> bool:
    """Whether this machine's CPU says that it has VNNI.

    Without it oneDNN adds pairs of products in 16 bits, which overflow: `torch._int_mm` is wrong.
    """
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_vnni") or has.get("avx_vnni"))
