"""Root-mean-square layer norm: ``y = x * weight / sqrt(mean(x^2) + eps)``.

Source: Zhang and Sennrich 2019, arXiv 1910.07467, equation 4; `rms_norm_f32` of kyutai-labs/moshi
computes it in float32 whatever the dtype of `x`, and so does this.
"""

import torch
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Normalise the last axis.

    Args:
        x: [..., D], any floating dtype.
        weight: [D], same device.
        eps: added to the mean square, dimensionless.

    Returns:
        [..., D] in the dtype of `x`.
    """
    wide = x.float()
    scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return (wide * scale * weight).to(x.dtype)
