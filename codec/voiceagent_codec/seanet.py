"""SEANet, Mimi's convolutions between the waveform and its transformers: one row per 40 ms.

Both halves are plain `ConvStack`s: a wide convolution, then per stride a residual block and a
resampling convolution of twice as many taps as its stride, then a convolution to the width asked
for. Source: Defossez et al. 2024 (Moshi), arXiv 2410.00037, section 3.3; kyutai-labs/moshi,
`modules/seanet.py`, with its published settings (one residual block, dilation 1, ELU).
"""

from __future__ import annotations

from voiceagent_codec.conv import (
    Activated,
    CausalConv,
    CausalConvTranspose,
    ConvStack,
    Layer,
    Residual,
)
from voiceagent_codec.mimi_config import MimiConfig

FIRST_TAPS = 7
LAST_TAPS = 3


def seanet_encoder(config: MimiConfig) -> ConvStack:
    """[B, T * prod(strides), 1] -> [B, T, width]."""
    channels = config.filters
    layers: list[Layer] = [CausalConv(1, channels, FIRST_TAPS)]
    for stride in config.strides:
        layers.append(Residual(channels, hidden=channels // 2))
        layers.append(Activated(CausalConv(channels, 2 * channels, 2 * stride, stride=stride)))
        channels *= 2
    layers.append(Activated(CausalConv(channels, config.width, LAST_TAPS)))
    return ConvStack(layers)


def seanet_decoder(config: MimiConfig) -> ConvStack:
    """[B, T, width] -> [B, T * prod(strides), 1]."""
    channels = config.filters * 2 ** len(config.strides)
    layers: list[Layer] = [CausalConv(config.width, channels, FIRST_TAPS)]
    for stride in reversed(config.strides):
        narrow = channels // 2
        layers.append(Activated(CausalConvTranspose(channels, narrow, 2 * stride, stride=stride)))
        layers.append(Residual(narrow, hidden=narrow // 2))
        channels = narrow
    layers.append(Activated(CausalConv(channels, 1, LAST_TAPS)))
    return ConvStack(layers)
