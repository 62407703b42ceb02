"""A source-filter voice: pulses and noise, filtered in the STFT domain and overlap-added.

Per 10 ms hop the network above gives 64 harmonic and 40 noise band levels, the fundamental and the
voicing. A band-limited pulse train and white noise are windowed (960 samples, Hann, hop 240),
weighted bin by bin and summed; output runs 720 samples behind. No waveform network and no GAN: the
parameters can be learnt by regression. The ideas are those of classical vocoders (McAulay and
Quatieri 1986; Serra 1989) with a learnt parameter track.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceagent_codec.mel import (
    BINS,
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    TAIL_SAMPLES,
    WINDOW_SAMPLES,
    hz_to_mel,
    mel_to_hz,
)
from voiceagent_codec.streaming import SlotState, write

HARMONIC_BANDS = 64
NOISE_BANDS = 40
PARAMETERS = HARMONIC_BANDS + NOISE_BANDS + 2
TOP_HARMONIC_HZ = 11_000
LOWEST_PITCH_HZ = 60
# 10.24 s of white noise that every slot walks through: no generator state, and no audible loop.
NOISE_FRAMES = 128
# hann^2 at 75 % overlap sums to 1.5
OVERLAP_GAIN = 1.5


def band_interpolation(bands: int, bins: int = BINS) -> Tensor:
    """Linear interpolation from mel-spaced band centres to FFT bins: f32 [bands, bins]."""
    centres = mel_to_hz(np.linspace(hz_to_mel(40), hz_to_mel(SAMPLE_RATE_HZ / 2), bands))
    hz = np.linspace(0, SAMPLE_RATE_HZ / 2, bins)
    lower = np.clip(np.searchsorted(centres, hz) - 1, 0, bands - 2)
    share = np.clip((hz - centres[lower]) / (centres[lower + 1] - centres[lower]), 0, 1)
    matrix = np.zeros((bands, bins), np.float32)
    matrix[lower, np.arange(bins)] = 1 - share
    matrix[lower + 1, np.arange(bins)] += share
    return torch.tensor(matrix)


@dataclasses.dataclass
class SourceState(SlotState):
    """Where each slot's voice stands: all zero in a fresh slot."""

    pitch: Tensor  # f32 [B, 1], Hz at the end of the last hop, 0 = unvoiced
    phase: Tensor  # f64 [B, 1], turns
    pulses: Tensor  # f32 [B, TAIL_SAMPLES], the source behind the next window
    noise: Tensor  # f32 [B, TAIL_SAMPLES]
    overlap: Tensor  # f32 [B, TAIL_SAMPLES], the unfinished end of the output
    frame: Tensor  # i64 [B], place in the noise table


class SourceFilter(nn.Module):
    """Parameter tracks -> samples."""

    window: Tensor
    harmonic_bins: Tensor
    noise_bins: Tensor
    noise_table: Tensor

    def __init__(self, frame_samples: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        buffers = {
            "window": torch.hann_window(WINDOW_SAMPLES),
            "harmonic_bins": band_interpolation(HARMONIC_BANDS),
            "noise_bins": band_interpolation(NOISE_BANDS),
            "noise_table": torch.randn(NOISE_FRAMES, frame_samples, generator=generator),
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def init_state(self, num_slots: int, device: torch.device | str) -> SourceState:
        """State of fresh slots: an unvoiced, silent past."""

        def tail() -> Tensor:
            return torch.zeros(num_slots, TAIL_SAMPLES, device=device)

        return SourceState(
            pitch=torch.zeros(num_slots, 1, device=device),
            phase=torch.zeros(num_slots, 1, device=device, dtype=torch.float64),
            pulses=tail(),
            noise=tail(),
            overlap=tail(),
            frame=torch.zeros(num_slots, device=device, dtype=torch.int64),
        )

    def forward(self, parameters: Tensor, state: SourceState, active: Tensor | None) -> Tensor:
        """Render hops.

        Args:
            parameters: f32 [B, T, PARAMETERS]: harmonic levels, noise levels, pitch, voicing; T a
                multiple of the hops in a frame.
            state: of B slots.
            active: bool [B], or None when every slot is.

        Returns:
            f32 [B, T * HOP_SAMPLES].
        """
        bands = HARMONIC_BANDS + NOISE_BANDS
        harmonic = (parameters[..., :HARMONIC_BANDS] - 5).clamp(max=3) @ self.harmonic_bins
        noisy = (parameters[..., HARMONIC_BANDS:bands] - 8).clamp(max=1) @ self.noise_bins
        pitch = (parameters[..., bands] * 0.3 + 5.3).clamp(4.0, 6.3).exp()
        pitch = pitch * (parameters[..., bands + 1] > 0)
        pulses = self._windows(self._pulse_train(pitch, state, active), state.pulses, active)
        noise = self._windows(self._white_noise(pitch.shape[1], state, active), state.noise, active)
        spectrum = torch.fft.rfft(pulses) * harmonic.exp() + torch.fft.rfft(noise) * noisy.exp()
        return self._overlap_add(torch.fft.irfft(spectrum, n=WINDOW_SAMPLES), state, active)

    def _pulse_train(self, pitch: Tensor, state: SourceState, active: Tensor | None) -> Tensor:
        """Band-limited pulses of f32 [B, T] pitch in Hz: f32 [B, T * HOP_SAMPLES].

        A sum of H cosines in closed form, sin((H + 1/2) p) / (2 sin(p / 2)) - 1/2.
        """
        before = torch.cat((state.pitch, pitch[:, :-1]), 1)
        ramp = (torch.arange(HOP_SAMPLES, device=pitch.device) + 0.5) / HOP_SAMPLES
        glides = ((before > 0) & (pitch > 0))[..., None]
        start = torch.where(glides, before[..., None], pitch[..., None])
        track = (start + (pitch[..., None] - start) * ramp).flatten(1)
        voiced = track > 0
        track = track.clamp(min=LOWEST_PITCH_HZ)
        turns = state.phase + torch.cumsum(track.double() / SAMPLE_RATE_HZ, 1)
        angle = (2 * math.pi * (turns % 1)).float()
        count = torch.floor(TOP_HARMONIC_HZ / track) + 0.5
        sine = 2 * torch.sin(angle * 0.5)
        at_pulse = sine.abs() < 4e-3
        train = torch.where(at_pulse, count, torch.sin(count * angle) / sine) - 0.5
        write(state.pitch, pitch[:, -1:], active)
        write(state.phase, turns[:, -1:] % 1, active)
        return train * voiced

    def _white_noise(self, hops: int, state: SourceState, active: Tensor | None) -> Tensor:
        frame_samples = self.noise_table.shape[1]
        frames = hops * HOP_SAMPLES // frame_samples
        index = (state.frame[:, None] + torch.arange(frames, device=state.frame.device)) % (
            NOISE_FRAMES
        )
        write(state.frame, (state.frame + frames) % NOISE_FRAMES, active)
        return self.noise_table[index].flatten(1)

    def _windows(self, source: Tensor, tail: Tensor, active: Tensor | None) -> Tensor:
        samples = torch.cat((tail, source), 1)
        write(tail, samples[:, -TAIL_SAMPLES:], active)
        return samples.unfold(1, WINDOW_SAMPLES, HOP_SAMPLES) * self.window

    def _overlap_add(self, frames: Tensor, state: SourceState, active: Tensor | None) -> Tensor:
        hops = frames.shape[1]
        length = WINDOW_SAMPLES + HOP_SAMPLES * (hops - 1)
        columns = (frames * (self.window / OVERLAP_GAIN)).transpose(1, 2)
        y = F.fold(columns, (1, length), (1, WINDOW_SAMPLES), stride=(1, HOP_SAMPLES)).flatten(1)
        y = torch.cat((y[:, :TAIL_SAMPLES] + state.overlap, y[:, TAIL_SAMPLES:]), 1)
        write(state.overlap, y[:, -TAIL_SAMPLES:], active)
        return y[:, :-TAIL_SAMPLES]
