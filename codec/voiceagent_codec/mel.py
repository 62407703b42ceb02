"""Log-mel frames of 24 kHz sound at 100 Hz, causal: a 40 ms window every 10 ms.

Not a front-end for someone else's recogniser: the scaling is this codec's own.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from voiceagent_codec.streaming import SlotState, write

SAMPLE_RATE_HZ = 24_000
WINDOW_SAMPLES = 960
HOP_SAMPLES = 240
TAIL_SAMPLES = WINDOW_SAMPLES - HOP_SAMPLES
BINS = WINDOW_SAMPLES // 2 + 1


def hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    """HTK mel scale. Source: Young et al., The HTK Book, section 5.4."""
    return np.asarray(2595 * np.log10(1 + np.asarray(hz) / 700))


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Inverse of `hz_to_mel`."""
    return np.asarray(700 * (10 ** (mel / 2595) - 1))


def mel_filters(bands: int, low_hz: float = 20, high_hz: float = 12_000) -> Tensor:
    """Triangular filters of unit sum: f32 [bands, BINS]."""
    edges = mel_to_hz(np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), bands + 2))
    hz = np.linspace(0, SAMPLE_RATE_HZ / 2, BINS)
    rising = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    filters = np.maximum(0, np.minimum(rising, falling))
    filters /= np.maximum(filters.sum(1, keepdims=True), 1e-6)
    return torch.tensor(filters, dtype=torch.float32)


@dataclasses.dataclass
class MelState(SlotState):
    """The samples that the next window reaches back to: f32 [B, TAIL_SAMPLES]."""

    tail: Tensor


class LogMel(nn.Module):
    """Samples -> scaled log-mel frames."""

    window: Tensor
    filters: Tensor

    def __init__(self, bands: int = 80) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW_SAMPLES), persistent=False)
        self.register_buffer("filters", mel_filters(bands).t().contiguous(), persistent=False)

    def init_state(self, num_slots: int, device: torch.device | str) -> MelState:
        """State of fresh slots: silence before the first sample."""
        return MelState(torch.zeros(num_slots, TAIL_SAMPLES, device=device))

    def forward(self, pcm: Tensor, state: MelState, active: Tensor | None) -> Tensor:
        """f32 [B, N], N a multiple of HOP_SAMPLES -> [B, N / HOP_SAMPLES, bands]."""
        samples = torch.cat((state.tail, pcm), dim=1)
        write(state.tail, samples[:, -TAIL_SAMPLES:], active)
        spectrum = torch.fft.rfft(samples.unfold(1, WINDOW_SAMPLES, HOP_SAMPLES) * self.window)
        return torch.log(spectrum.abs() @ self.filters + 1e-4) * 0.4 + 1.2
