"""One step of a transposed 1-D convolution over channels-last rows: a product, then overlap-add.

Every input row makes K output rows, `stride` further on than those of the row before, and what
overlaps is summed. The ``K - stride`` rows that later input still adds to are the whole state; they
are kept without the bias, which each output row gets once. PyTorch's own operator takes a slow path
for such single short signals on a CPU.
"""

import torch.nn.functional as F
from torch import Tensor


def conv_transpose_step(
    x: Tensor, partial: Tensor, weight: Tensor, bias: Tensor | None, *, stride: int
) -> tuple[Tensor, Tensor]:
    """Turn new rows into `stride` times as many.

    Args:
        x: [B, T, C].
        partial: [B, K - stride, O], what earlier rows add to the first ones of the output.
        weight: [K * O, C]; row ``k * O + o`` is tap k (first in time) of output channel o.
        bias: [O] or None.
        stride: output rows per input row, a divisor of K.

    Returns:
        Output [B, T * stride, O] and the next `partial` [B, K - stride, O].
    """
    taps = F.linear(x, weight).view(*x.shape[:2], -1, partial.shape[2])
    rows, partial = overlap_add(taps, partial, stride)
    return (rows if bias is None else rows + bias), partial


def depthwise_transpose_step(
    x: Tensor, partial: Tensor, weight: Tensor, *, stride: int
) -> tuple[Tensor, Tensor]:
    """The same where every channel has taps of its own and sees no other.

    Args:
        x: [B, T, C].
        partial: [B, K - stride, C].
        weight: [K, C].
        stride: output rows per input row, a divisor of K.

    Returns:
        Output [B, T * stride, C] and the next `partial` [B, K - stride, C].
    """
    return overlap_add(x[:, :, None] * weight, partial, stride)


def overlap_add(taps: Tensor, partial: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Sum what each input row says about each output row.

    Args:
        taps: [B, T, K, O], tap k of row t belongs to output row ``t * stride + k``.
        partial: [B, K - stride, O], of the rows before.
        stride: output rows per input row, a divisor of K.

    Returns:
        Rows that are complete [B, T * stride, O], and those that are not [B, K - stride, O].
    """
    num_slots, length, num_taps, channels = taps.shape
    done = length * stride
    rows = taps.new_zeros(num_slots, done + num_taps - stride, channels)
    for first in range(0, num_taps, stride):
        shifted = taps[:, :, first : first + stride].reshape(num_slots, done, channels)
        rows[:, first : first + done] += shifted
    rows[:, : num_taps - stride] += partial
    return rows[:, :done], rows[:, done:]
