"""Temperature and top-k sampling by exponential noise, each row with its own settings.

``argmax(softmax(logits / T) / E)``, E ~ Exp(1), over the k largest logits: the Gumbel-max trick
without a host sync, as in kyutai-labs/moshi (`utils/sampling.py`). The noise is a hash of
(seed, step, draw, index), so a row's draws depend on nothing but its own seed and step: not on the
slot, the neighbours or the device.
"""

import torch
from torch import Tensor

_MIX_A = -4658895280553007687  # 0xBF58476D1CE4E5B9 as i64
_MIX_B = -7723592293110705685  # 0x94D049BB133111EB as i64
_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as i64


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift of i64; the built-in one copies the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    """The splitmix64 finaliser. Source: Steele, Lea and Flood 2014, figure 16."""
    x = (x ^ _shift_right(x, 30)) * _MIX_A
    x = (x ^ _shift_right(x, 27)) * _MIX_B
    return x ^ _shift_right(x, 31)


def exponential_noise(seeds: Tensor, steps: Tensor, draw: int, size: int) -> Tensor:
    """Exp(1) noise by counter.

    Args:
        seeds: i64 [B], one per slot.
        steps: i64 [B], absolute step of the slot.
        draw: which of the step's draws this is (text, user text, codebook 0, ...).
        size: V.

    Returns:
        f32 [B, V], > 0.
    """
    index = torch.arange(size, device=seeds.device)
    row = _mix(_mix(seeds * _GOLDEN + steps) * _GOLDEN + draw)
    # 23 bits: with the half they are exact in f32, so neither 0 nor 1 can come out
    bits = _shift_right(_mix(row[:, None] * _GOLDEN + index), 41)
    return -torch.log((bits.float() + 0.5) * 2.0**-23)


def sample_top_k(logits: Tensor, temperature: Tensor, top_k: Tensor, noise: Tensor) -> Tensor:
    """Draw one index per row; temperature 0 takes the largest logit.

    Args:
        logits: f32 [B, V].
        temperature: f32 [B], >= 0.
        top_k: i64 [B], candidates kept; 0 or >= V keeps all.
        noise: f32 [B, V], of `exponential_noise`.

    Returns:
        i64 [B].
    """
    vocabulary = logits.shape[-1]
    kept = torch.where(top_k > 0, top_k, vocabulary).clamp(max=vocabulary)
    ordered = logits.sort(dim=-1, descending=True).values
    floor = ordered.gather(-1, (kept - 1)[:, None])
    scaled = logits / temperature.clamp(min=1e-6)[:, None]
    scaled = scaled.masked_fill(logits < floor, float("-inf"))
    drawn = (torch.softmax(scaled, dim=-1) / noise).argmax(-1)
    return torch.where(temperature > 0, drawn, logits.argmax(-1))
