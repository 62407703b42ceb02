"""Log-mel frames of 24 kHz sound at 100 Hz, causal: a window every 10 ms.

`LogMel` looks back 40 ms and has a scaling of this codec's own. `WhisperMel` looks back 25 ms and
has the numbers that Whisper's encoder was made with.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor, nn

from voiceagent_codec.streaming import SlotState, write

SAMPLE_RATE_HZ = 24_000
WINDOW_SAMPLES = 960
HOP_SAMPLES = 240
TAIL_SAMPLES = WINDOW_SAMPLES - HOP_SAMPLES
BINS = WINDOW_SAMPLES // 2 + 1
# 25 ms, as many as Whisper's 400 at 16 kHz: the bins are the same ones
WHISPER_WINDOW_SAMPLES = 600
_WHISPER_HIGH_HZ = 8_000
# Whisper's floor lies 80 dB below the loudest of its 30 s; here below a level that speech reaches
_WHISPER_FLOOR = 1e-7
# of the scale of Slaney's Auditory Toolbox: linear below a thousand Hz, logarithmic above
_SLANEY_HZ, _SLANEY_LINEAR, _SLANEY_KNEE, _SLANEY_LOG = 200 / 3, 1000, 15, math.log(6.4) / 27


def hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    """HTK mel scale. Source: Young et al., The HTK Book, section 5.4."""
    return np.asarray(2595 * np.log10(1 + np.asarray(hz) / 700))


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Inverse of `hz_to_mel`."""
    return np.asarray(700 * (10 ** (mel / 2595) - 1))


def mel_filters(bands: int, low_hz: float = 20, high_hz: float = 12_000) -> Tensor:
    """Triangular filters of unit sum: f32 [bands, BINS]."""
    edges = mel_to_hz(np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), bands + 2))
    filters = _triangles(edges, WINDOW_SAMPLES)
    filters /= np.maximum(filters.sum(1, keepdims=True), 1e-6)
    return torch.tensor(filters, dtype=torch.float32)


def whisper_filters(bands: int) -> Tensor:
    """Triangular filters of unit area, to 8 kHz: f32 [bands, WHISPER_WINDOW_SAMPLES / 2 + 1].

    Source: `librosa.filters.mel` with its defaults, which Whisper's were made with.
    """
    highest = _SLANEY_KNEE + math.log(_WHISPER_HIGH_HZ / _SLANEY_LINEAR) / _SLANEY_LOG
    mel = np.linspace(0, highest, bands + 2)
    above = _SLANEY_LINEAR * np.exp(_SLANEY_LOG * (mel - _SLANEY_KNEE))
    edges = np.where(mel < _SLANEY_KNEE, mel * _SLANEY_HZ, above)
    filters = _triangles(edges, WHISPER_WINDOW_SAMPLES) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return torch.tensor(filters, dtype=torch.float32)


def _triangles(edges: np.ndarray, window_samples: int) -> np.ndarray:
    """Between every other of some frequencies, 1 at the one between: [bands, bins]."""
    hz = np.linspace(0, SAMPLE_RATE_HZ / 2, window_samples // 2 + 1)
    rising = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


@dataclasses.dataclass
class MelState(SlotState):
    """The samples that the next window reaches back to: f32 [B, window - HOP_SAMPLES]."""

    tail: Tensor


class MelFrames(nn.Module):
    """Samples -> scaled log-mel frames; which scale, the classes below say.

    Attributes:
        scale: a frame's values are ``scale * ln(amplitude) + offset``.
        offset: see there.
        least: the value of silence.
    """

    window: Tensor
    filters: Tensor
    scale: float
    offset: float
    least: float

    def __init__(self, window_samples: int, filters: Tensor) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(window_samples), persistent=False)
        self.register_buffer("filters", filters.t().contiguous(), persistent=False)

    def init_state(self, num_slots: int, device: torch.device | str) -> MelState:
        """State of fresh slots: silence before the first sample."""
        return MelState(torch.zeros(num_slots, len(self.window) - HOP_SAMPLES, device=device))

    def forward(self, pcm: Tensor, state: MelState, active: Tensor | None) -> Tensor:
        """f32 [B, N], N a multiple of HOP_SAMPLES -> [B, N / HOP_SAMPLES, bands]."""
        samples = torch.cat((state.tail, pcm), dim=1)
        write(state.tail, samples[:, -state.tail.shape[1] :], active)
        windows = samples.unfold(1, len(self.window), HOP_SAMPLES) * self.window
        return self.scaled(torch.fft.rfft(windows).abs())

    def scaled(self, spectrum: Tensor) -> Tensor:
        """Amplitudes [B, T, bins] -> [B, T, bands]."""
        raise NotImplementedError


class LogMel(MelFrames):
    """A 40 ms window, to 12 kHz."""

    scale, offset = 0.4, 1.2
    least = 0.4 * math.log(1e-4) + 1.2

    def __init__(self, bands: int = 80) -> None:
        super().__init__(WINDOW_SAMPLES, mel_filters(bands))

    def scaled(self, spectrum: Tensor) -> Tensor:
        """See `MelFrames.scaled`."""
        return torch.log(spectrum @ self.filters + 1e-4) * 0.4 + 1.2


class WhisperMel(MelFrames):
    """A 25 ms window, to 8 kHz.

    Source: openai/whisper, whisper/audio.py, `log_mel_spectrogram`.
    """

    scale, offset = 0.5 / math.log(10), 1.0
    least = math.log10(_WHISPER_FLOOR) / 4 + 1

    def __init__(self, bands: int = 80) -> None:
        super().__init__(WHISPER_WINDOW_SAMPLES, whisper_filters(bands))

    def scaled(self, spectrum: Tensor) -> Tensor:
        """See `MelFrames.scaled`."""
        # a window at 24 kHz has one and a half times the samples
        power = (spectrum / 1.5).square() @ self.filters
        return power.clamp(min=_WHISPER_FLOOR).log10() / 4 + 1
