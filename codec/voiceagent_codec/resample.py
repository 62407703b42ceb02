"""Mimi's learnt resampling between the rows of its transformers and frames: by 2, down and up.

Not here: the resampling of sound, and the strided layers of `seanet`.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from voiceagent_kernels.reference.causal_conv_step import causal_conv_step
from voiceagent_kernels.reference.conv_transpose_step import depthwise_transpose_step

from voiceagent_codec.conv import OverlapState
from voiceagent_codec.mimi_config import ROWS_PER_FRAME
from voiceagent_codec.streaming import SlotState, write

TAPS = 2 * ROWS_PER_FRAME


@dataclasses.dataclass
class DownsampleState(SlotState):
    """The rows before the next input, once there were any."""

    previous: Tensor  # [B, 2, C]
    started: Tensor  # bool [B]: a frame has been computed


class Downsample(nn.Module):
    """A convolution of stride 2 whose first frame sees its own first row as the past.

    Weight [C, 4 * C] as in `CausalConv`, without bias. The padding repeats the first row
    (`replicate`), where every other convolution of Mimi starts from zeros.
    Source: kyutai-labs/moshi, `modules/resample.py` and `modules/conv.py`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        bound = (TAPS * channels) ** -0.5
        self.weight = nn.Parameter(torch.empty(channels, TAPS * channels).uniform_(-bound, bound))

    def init_state(self, num_slots: int, device: torch.device | str) -> DownsampleState:
        """State of fresh slots."""
        shape = (num_slots, TAPS - ROWS_PER_FRAME, self.channels)
        return DownsampleState(
            torch.zeros(shape, device=device, dtype=self.weight.dtype),
            torch.zeros(num_slots, device=device, dtype=torch.bool),
        )

    def forward(self, x: Tensor, state: DownsampleState, active: Tensor | None) -> Tensor:
        """[B, 2 * T, C] -> [B, T, C]."""
        past = torch.where(state.started[:, None, None], state.previous, x[:, :1])
        y, previous = causal_conv_step(x, past, self.weight, None, stride=ROWS_PER_FRAME)
        write(state.previous, previous, active)
        write(state.started, torch.ones_like(state.started), active)
        return y


class Upsample(nn.Module):
    """A transposed convolution of stride 2, each channel by itself, without bias. Weight [4, C]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(TAPS, channels).uniform_(-1, 1))

    def init_state(self, num_slots: int, device: torch.device | str) -> OverlapState:
        """State of fresh slots."""
        shape = (num_slots, TAPS - ROWS_PER_FRAME, self.weight.shape[1])
        return OverlapState(torch.zeros(shape, device=device, dtype=self.weight.dtype))

    def forward(self, x: Tensor, state: OverlapState, active: Tensor | None) -> Tensor:
        """[B, T, C] -> [B, 2 * T, C]."""
        y, partial = depthwise_transpose_step(x, state.partial, self.weight, stride=ROWS_PER_FRAME)
        write(state.partial, partial, active)
        return y
