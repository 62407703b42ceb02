"""Linear layers that learn a matrix of low rank beside their own, which stays as it is.

At rank 16 that is an eighteenth of the numbers of the ear's layers, and a model that is shipped
again differs from the one before in that alone.

Source: Hu et al. 2021 (LoRA), arXiv 2106.09685, section 4.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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

    def go_on(self, weight: Tensor, outer: Tensor, inner: Tensor) -> None:
        """Go on with factors that the layer's weight has in it; it is `weight` without them."""
        with torch.no_grad():
            self.linear.weight.copy_(weight)
        outer, inner = balanced(outer, inner)
        device = self.inner.device
        self.outer, self.inner = nn.Parameter(outer.to(device)), nn.Parameter(inner.to(device))

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        y: Tensor = self.linear(x)
        return y + F.linear(F.linear(x, self.inner), self.outer)


def begin_low_rank(
    root: nn.Module,
    rank: int,
    before: Mapping[str, tuple[Tensor, Tensor, Tensor]] = MappingProxyType({}),
) -> None:
    """Put one in place of every linear layer below a module, which stay as they are.

    Args:
        root: the module.
        rank: of what is learnt.
        before: by name of a weight below `root`, what it is without what was learnt before and the
            factors of that, which go on learning.
    """
    for path, parent in list(root.named_modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                layer = LowRankLinear(child, rank)
                weight = ".".join(filter(None, (path, name, "weight")))
                if weight in before:
                    layer.go_on(*before[weight])
                setattr(parent, name, layer)


def learnt_updates(state: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """What the layers of a state have learnt: name of a weight -> outer [O, R], inner [R, I]."""
    return {
        f"{name.removesuffix('.outer')}.weight": (value, state[f"{name[: -len('outer')]}inner"])
        for name, value in state.items()
        if name.endswith(".outer")
    }


def balanced(outer: Tensor, inner: Tensor) -> tuple[Tensor, Tensor]:
    """Return factors [O, R] and [R, I] of the same product, each pair of vectors equally long."""
    ratio = (_lengths(outer, 0) / _lengths(inner, 1)).sqrt()
    return outer / ratio, inner * ratio[:, None]


def _lengths(factor: Tensor, axis: int) -> Tensor:
    return factor.norm(dim=axis).clamp(min=1e-6)
