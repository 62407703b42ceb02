"""Causal convolutions over channels-last frames [B, T, C], with their state beside them.

A layer takes any whole number of frames: one per call when streaming, many at once when training
or testing. Both give the same samples, since a call only ever sees the past. Not here: the
arithmetic itself (`voiceagent_kernels`), non-causal padding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from voiceagent_kernels.reference.causal_conv_step import causal_conv_step
from voiceagent_kernels.reference.conv_transpose_step import conv_transpose_step

from voiceagent_codec.streaming import SlotState, write


@dataclasses.dataclass
class ConvState(SlotState):
    """The rows before the next input: [B, P, C_in], zeros at the start."""

    previous: Tensor


@dataclasses.dataclass
class OverlapState(SlotState):
    """What past input adds to the next output rows: [B, K - stride, C_out], without the bias."""

    partial: Tensor


class CausalConv(nn.Module):
    """A convolution that sees the current and past rows only.

    Weight [C_out, K * C_in], column ``k * C_in + c``; see `causal_conv_step`.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        taps: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
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
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None

    def init_state(self, num_slots: int, device: torch.device | str) -> ConvState:
        """State of fresh slots: silence before the first row."""
        shape = (num_slots, self.history, self.channels_in)
        return ConvState(torch.zeros(shape, device=device, dtype=self.weight.dtype))

    def forward(self, x: Tensor, state: ConvState, active: Tensor | None) -> Tensor:
        """[B, T, C_in] -> [B, T / stride, C_out]; only active slots' states change."""
        y, previous = causal_conv_step(
            x, state.previous, self.weight, self.bias, stride=self.stride, dilation=self.dilation
        )
        write(state.previous, previous, active)
        return y


class CausalConvTranspose(nn.Module):
    """A transposed convolution that writes the current and later rows only.

    Weight [K * C_out, C_in], row ``k * C_out + o``; see `conv_transpose_step`.
    """

    def __init__(self, channels_in: int, channels_out: int, taps: int, *, stride: int) -> None:
        super().__init__()
        self.channels_out = channels_out
        self.stride = stride
        self.overlap = taps - stride
        bound = channels_in**-0.5
        self.weight = nn.Parameter(
            torch.empty(taps * channels_out, channels_in).uniform_(-bound, bound)
        )
        self.bias = nn.Parameter(torch.zeros(channels_out))

    def init_state(self, num_slots: int, device: torch.device | str) -> OverlapState:
        """State of fresh slots: nothing came before."""
        shape = (num_slots, self.overlap, self.channels_out)
        return OverlapState(torch.zeros(shape, device=device, dtype=self.weight.dtype))

    def forward(self, x: Tensor, state: OverlapState, active: Tensor | None) -> Tensor:
        """[B, T, C_in] -> [B, T * stride, C_out]; only active slots' states change."""
        y, partial = conv_transpose_step(
            x, state.partial, self.weight, self.bias, stride=self.stride
        )
        write(state.partial, partial, active)
        return y


class Residual(nn.Module):
    """``x + mix(elu(conv(elu(x))))``: a causal conv and a pointwise one beside an identity."""

    def __init__(
        self, channels: int, *, hidden: int | None = None, dilation: int = 1, taps: int = 3
    ) -> None:
        super().__init__()
        hidden = channels if hidden is None else hidden
        self.conv = CausalConv(channels, hidden, taps, dilation=dilation)
        self.mix = nn.Linear(hidden, channels)
        with torch.no_grad():
            self.mix.weight.mul_(0.5)

    def init_state(self, num_slots: int, device: torch.device | str) -> ConvState:
        """State of the inner convolution."""
        return self.conv.init_state(num_slots, device)

    def forward(self, x: Tensor, state: ConvState, active: Tensor | None) -> Tensor:
        """[B, T, C] -> [B, T, C]."""
        return x + self.mix(F.elu(self.conv(F.elu(x), state, active)))


class Activated(nn.Module):
    """ELU, then a convolution that changes the rate or the width."""

    def __init__(self, conv: CausalConv | CausalConvTranspose) -> None:
        super().__init__()
        self.conv = conv

    def init_state(self, num_slots: int, device: torch.device | str) -> ConvState | OverlapState:
        """State of the convolution."""
        return self.conv.init_state(num_slots, device)

    def forward(self, x: Tensor, state: ConvState | OverlapState, active: Tensor | None) -> Tensor:
        """[B, T, C_in] -> [B, T', C_out]."""
        return self.conv(F.elu(x), state, active)


class Down(Activated):
    """ELU and a strided convolution: halves the frame rate."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(CausalConv(channels_in, channels_out, 4, stride=2))


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


Layer = CausalConv | Residual | Activated | Up


@dataclasses.dataclass
class StackState(SlotState):
    """One state per layer of a `ConvStack`."""

    layers: list[ConvState | OverlapState]


class ConvStack(nn.Module):
    """Causal layers in a row."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def init_state(self, num_slots: int, device: torch.device | str) -> StackState:
        """States of all layers."""
        return StackState([layer.init_state(num_slots, device) for layer in self.typed()])

    def forward(self, x: Tensor, state: StackState, active: Tensor | None) -> Tensor:
        """[B, T, C_in] -> [B, T', C_out]."""
        for layer, layer_state in zip(self.typed(), state.layers, strict=True):
            x = layer(x, layer_state, active)
        return x

    def typed(self) -> list[Layer]:
        """The layers in order."""
        return list(self.layers)  # type: ignore[arg-type]  # ModuleList forgets what it holds
