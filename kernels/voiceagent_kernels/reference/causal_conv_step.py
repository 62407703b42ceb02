"""One step of a causal 1-D convolution over channels-last frames, as a matrix product.

The last ``(K - 1) * dilation + 1 - stride`` input rows are the whole state. The input is laid out
[B, T, C], so the K taps of an undilated window lie side by side in memory and the unfolding is a
view. PyTorch's own convolution takes a slow path for such single short signals on a CPU.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_conv_step(
    x: Tensor,
    previous: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int = 1,
    dilation: int = 1,
) -> tuple[Tensor, Tensor]:
    """Convolve new rows behind the remembered ones.

    Args:
        x: [B, T, C], T a multiple of `stride`.
        previous: [B, P, C] with P = (K - 1) * dilation + 1 - stride, the rows before `x`.
        weight: [O, K * C]; column ``k * C + c`` is tap k (oldest first) of channel c.
        bias: [O] or None.
        stride: input rows per output row.
        dilation: rows between taps.

    Returns:
        Output [B, T / stride, O] and the next `previous` [B, P, C].
    """
    taps = weight.shape[1] // x.shape[2]
    windows, previous = conv_windows(x, previous, taps, stride=stride, dilation=dilation)
    # one flat product: a batched one takes a slower path for overlapping windows
    return F.linear(windows.flatten(0, 1), weight, bias).view(*windows.shape[:2], -1), previous


def conv_windows(
    x: Tensor, previous: Tensor, taps: int, *, stride: int = 1, dilation: int = 1
) -> tuple[Tensor, Tensor]:
    """What each output row of `causal_conv_step` is a product with.

    Returns:
        Windows [B, T / stride, K * C], column ``k * C + c``; the next `previous` [B, P, C].
    """
    rows = torch.cat((previous, x), dim=1)
    num_slots, length, channels = rows.shape
    steps = (length - (taps - 1) * dilation - 1) // stride + 1
    if dilation == 1:
        windows = rows.as_strided(
            (num_slots, steps, taps * channels), (length * channels, stride * channels, 1)
        )
    else:
        span = (steps - 1) * stride + 1
        windows = torch.cat(
            [rows[:, k * dilation : k * dilation + span : stride] for k in range(taps)], dim=2
        )
    return windows, rows[:, length - previous.shape[1] :]
