"""Causal convolutions over channels-last frames [B, T, C], with their state beside them.

A layer takes any whole number of frames: one per call when streaming, many at once when training
or testing. Both give the same samples, since a call only ever sees the past. Not here: the
arithmetic itself (`voiceagent_kernels`), non-causal padding.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from voiceagent_kernels.reference.causal_conv_step import causal_conv_step

from voiceagent_codec.streaming import SlotState, write


@dataclasses.dataclass
class ConvState(SlotState):
    """The rows before the next input: [B, P, C_in], zeros at the start."""

    previous: Tensor


class CausalConv(nn.Module):
    """A convolution that sees the current and past rows only.

    Weight [C_out, K * C_in], column ``k * C_in + c``; see `causal_conv_step`.
    """

    def __init__(
        self, channels_in: int, channels_out: int, taps: int, *, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.channels_in = channels_in
        self.stride = stride
        self.dilation = dilation
        self.history = (taps - 1) * dilation + 1 - stride
        bound = (channels_in * taps) ** -0.5
        self.weight = nn.Parameter(
            torch.empty(channels_out, taps * channels_in).uniform_(-bound, bound)
        )
        self.bias = nn.Parameter(torch.zeros(channels_out))

    def init_state(self, num_slots: int, device: torch.device | str) -> ConvState:
        """State of fresh slots: silence before the first row."""
        return ConvState(torch.zeros(num_slots, self.history, self.channels_in, device=device))

    def forward(self, x: Tensor, state: ConvState, active: Tensor | None) -> Tensor:
        """[B, T, C_in] -> [B, T / stride, C_out]; only active slots' states change."""
        y, previous = causal_conv_step(
            x, state.previous, self.weight, self.bias, stride=self.stride, dilation=self.dilation
        )
        write(state.previous, previous, active)
        return y


class Residual(nn.Module):
    """``x + mix(elu(conv(elu(x))))``: a causal conv and a pointwise one beside an identity."""

    def __init__(self, channels: int, *, dilation: int = 1, taps: int = 3) -> None:
        super().__init__()
        self.conv = CausalConv(channels, channels, taps, dilation=dilation)
        self.mix = nn.Linear(channels, channels)
        with torch.no_grad():
            self.mix.weight.mul_(0.5)

    def init_state(self, num_slots: int, device: torch.device | str) -> ConvState:
        """State of the inner convolution."""
        return self.conv.init_state(num_slots, device)

    def forward(self, x: Tensor, state: ConvState, active: Tensor | None) -> Tensor:
        """[B, T, C] -> [B, T, C]."""
        return x + self.mix(F.elu(self.conv(F.elu(x), state, active)))


class Down(nn.Module):
    """ELU and a strided convolution: halves the frame rate."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = CausalConv(channels_in, channels_out, 4, stride=2)

    def init_state(self, num_slots: int, device: torch.device | str) -> ConvState:
        """State of the convolution."""
        return self.conv.init_state(num_slots, device)

    def forward(self, x: Tensor, state: ConvState, active: Tensor | None) -> Tensor:
        """[B, T, C_in] -> [B, T / 2, C_out]."""
        return self.conv(F.elu(x), state, active)


class Up(nn.Module):
    """A convolution whose channels unfold into `factor` rows: raises the frame rate."""

    def __init__(self, channels_in: int, channels_out: int, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor
        self.conv = CausalConv(channels_in, channels_out * factor, 2)

    def init_state(self, num_slots: int, device: torch.device | str) -> ConvState:
        """State of the convolution."""
        return self.conv.init_state(num_slots, device)

    def forward(self, x: Tensor, state: ConvState, active: Tensor | None) -> Tensor:
        """[B, T, C_in] -> [B, factor * T, C_out]."""
        y = self.conv(x, state, active)
        return y.reshape(y.shape[0], y.shape[1] * self.factor, -1)


@dataclasses.dataclass
class StackState(SlotState):
    """One state per layer of a `ConvStack`."""

    layers: list[ConvState]


class ConvStack(nn.Module):
    """Causal layers in a row; each is a `CausalConv`, `Residual`, `Down` or `Up`."""

    def __init__(self, layers: list[CausalConv | Residual | Down | Up]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def init_state(self, num_slots: int, device: torch.device | str) -> StackState:
        """States of all layers."""
        return StackState([layer.init_state(num_slots, device) for layer in self._typed()])

    def forward(self, x: Tensor, state: StackState, active: Tensor | None) -> Tensor:
        """[B, T, C_in] -> [B, T', C_out]."""
        for layer, layer_state in zip(self._typed(), state.layers, strict=True):
            x = layer(x, layer_state, active)
        return x

    def _typed(self) -> list[CausalConv | Residual | Down | Up]:
        return list(self.layers)  # type: ignore[arg-type]  # ModuleList forgets what it holds
