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
    rows = torch.cat((previous, x), dim=1)
    num_slots, length, channels = rows.shape
    taps = weight.shape[1] // channels
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
    # one flat product: a batched one takes a slower path for overlapping windows
    y = F.linear(windows.reshape(num_slots * steps, -1), weight, bias)
    return y.view(num_slots, steps, -1), rows[:, length - previous.shape[1] :]
