"""Linear layers that multiply in 8 bits, in place of those that a model was trained with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from voiceagent_kernels.reference.int8_linear import int8_linear

from voiceagent_codec.weights import quantize_rows


class Int8Linear(nn.Module):
    """An `nn.Linear` whose weight is int8, as it is stored; see `int8_linear`."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight, scale = quantize_rows(layer.weight.detach())
        bias = None if layer.bias is None else layer.bias.detach().clone()
        for name, value in (("weight", weight), ("scale", scale), ("bias", bias)):
            self.register_buffer(name, value)

    def forward(self, x: Tensor) -> Tensor:
        """f32 [..., I] -> [..., O]."""
        return int8_linear(x, self.weight, self.scale, self.bias)


@torch.no_grad()
def use_int8(root: nn.Module) -> None:
    """Replace every linear layer below a module; it can be neither trained nor saved then."""
    for parent in list(root.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                setattr(parent, name, Int8Linear(child))
