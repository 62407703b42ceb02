"""Linear layers that learn a matrix of low rank beside their own, which stays as it is.

At rank 16 that is an eighteenth of the numbers of the ear's layers, and a model that is shipped
again differs from the one before in that alone.

Source: Hu et al. 2021 (LoRA), arXiv 2106.09685, section 4.1.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LowRankLinear(nn.Module):
    """``x @ (weight + outer @ inner).T + bias``; begins as the layer it is made of."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        device = linear.weight.device
        inner = torch.randn(rank, linear.in_features, device=device)
        self.inner = nn.Parameter(inner * linear.in_features**-0.5)
        self.outer = nn.Parameter(torch.zeros(linear.out_features, rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        y: Tensor = self.linear(x)
        return y + F.linear(F.linear(x, self.inner), self.outer)


def begin_low_rank(root: nn.Module, rank: int) -> None:
    """Put one in place of every linear layer below a module, which stay as they are."""
    for parent in list(root.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                setattr(parent, name, LowRankLinear(child, rank))


def learnt_updates(state: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """What the layers of a state have learnt: name of a weight -> outer [O, R], inner [R, I]."""
    return {
        f"{name.removesuffix('.outer')}.weight": (value, state[f"{name[: -len('outer')]}inner"])
        for name, value in state.items()
        if name.endswith(".outer")
    }
