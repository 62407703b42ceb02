"""Layers that multiply in 8 bits, in place of those that a model was trained with.

Where one layer of several rounds to 8 bits, all before it should: what differs in its inputs by a
float's last bit, as other batches give it, may be rounded to another number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from voiceagent_kernels.reference.causal_conv_step import conv_windows
from voiceagent_kernels.reference.int8_linear import int8_linear

from voiceagent_codec.conv import CausalConv, ConvState
from voiceagent_codec.streaming import write
from voiceagent_codec.weights import quantize_rows


class Int8Linear(nn.Module):
    """An `nn.Linear` whose weight is int8, as it is stored; see `int8_linear`."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear | CausalConv) -> None:
        super().__init__()
        weight, scale = quantize_rows(layer.weight.detach())
        bias = None if layer.bias is None else layer.bias.detach().clone()
        for name, value in (("weight", weight), ("scale", scale), ("bias", bias)):
            self.register_buffer(name, value)

    def forward(self, x: Tensor) -> Tensor:
        """f32 [..., I] -> [..., O]."""
        return int8_linear(x, self.weight, self.scale, self.bias)


class Int8CausalConv(nn.Module):
    """A `CausalConv` whose weight is int8."""

    def __init__(self, conv: CausalConv) -> None:
        super().__init__()
        self.product = Int8Linear(conv)
        self.taps = conv.weight.shape[1] // conv.channels_in
        self.stride, self.dilation = conv.stride, conv.dilation
        self.channels, self.history = conv.channels_in, conv.history

    def init_state(self, num_slots: int, device: torch.device | str) -> ConvState:
        """See `CausalConv.init_state`."""
        return ConvState(torch.zeros(num_slots, self.history, self.channels, device=device))

    def forward(self, x: Tensor, state: ConvState, active: Tensor | None) -> Tensor:
        """See `CausalConv.forward`."""
        windows, previous = conv_windows(
            x, state.previous, self.taps, stride=self.stride, dilation=self.dilation
        )
        y: Tensor = self.product(windows)
        write(state.previous, previous, active)
        return y


@torch.no_grad()
def use_int8(root: nn.Module) -> None:
    """Replace every layer below a module that has an 8-bit twin; it can not be trained then."""
    for parent in list(root.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                setattr(parent, name, Int8Linear(child))
            elif isinstance(child, CausalConv):
                setattr(parent, name, Int8CausalConv(child))
