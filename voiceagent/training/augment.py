"""What training does to clips of clean speech, many at once: rooms, distance, noise, telephone.

Batched torch versions of `scenes.acoustics` and `scenes.channel`, drawn anew at every step; whole
calls go through those themselves. Sound is f32 [B, N] at 24 kHz.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
import torchaudio.functional as audio
from torch import Tensor

from voiceagent.audio.framing import PACKET_SAMPLES, SAMPLE_RATE_HZ
from voiceagent.scenes.noise import coloured_noise
from voiceagent.scenes.seeds import child_rng

_NOISES, _NOISE_SECONDS = 24, 20
_ROOM_SAMPLES = SAMPLE_RATE_HZ * 2 // 5
_MU_LAW_LEVELS = 256
# the scale of `voiceagent_codec.mel.LogMel`
_MEL_SCALE, _MEL_OFFSET, _MEL_FLOOR = 0.4, 1.2, 1e-4


class Augmenter:
    """Draws what happens to a batch; all draws come from the generator given to each method."""

    def __init__(self, speech: Tensor, seed: int) -> None:
        """Take a crowd's voices from `speech`, i16 [N]."""
        self.noises = _noises(speech, seed)

    def room(self, pcm: Tensor, g: torch.Generator, wetness: tuple[float, float]) -> Tensor:
        """Every row in a room of its own."""
        rows, samples = pcm.shape
        length = (_uniform(g, rows, 0.05, 0.4) * SAMPLE_RATE_HZ).clamp(max=_ROOM_SAMPLES - 1)
        time = torch.arange(_ROOM_SAMPLES)
        tail = torch.randn(rows, _ROOM_SAMPLES, generator=g) * torch.exp(-6 * time / length)
        tail *= (time >= _uniform(g, rows, 20, 200)) & (time < length)
        tail *= _uniform(g, rows, *wetness) / tail.abs().amax(1, keepdim=True).clamp(min=1e-6)
        tail[:, 0] = 1.0
        padded = 1 << (samples + _ROOM_SAMPLES - 1).bit_length()
        wet = torch.fft.rfft(pcm, padded) * torch.fft.rfft(tail, padded)
        return torch.fft.irfft(wet, padded)[:, :samples]

    def far(self, pcm: Tensor, g: torch.Generator) -> Tensor:
        """Every row as from across the room or turned away: dull and reverberant, as loud."""
        spectrum = torch.fft.rfft(pcm)
        hz = torch.fft.rfftfreq(pcm.shape[1], 1 / SAMPLE_RATE_HZ)
        cutoff_hz = _uniform(g, len(pcm), 2000, 4500)
        dull = torch.fft.irfft(spectrum / torch.sqrt(1 + (hz / cutoff_hz) ** 4), pcm.shape[1])
        wet = self.room(dull, g, (0.08, 0.3))
        loudest = pcm.abs().amax(1, keepdim=True)
        return wet / wet.abs().amax(1, keepdim=True).clamp(min=1e-4) * loudest

    def noise(self, pcm: Tensor, g: torch.Generator, amount: float) -> Tensor:
        """Most rows in noise or in a crowd, 0 to 34 dB below their loud parts."""
        rows, samples = pcm.shape
        loud = pcm.unfold(1, 960, 960).square().mean(2).sqrt().amax(1, keepdim=True)
        snr_db = 34 - (34 * _uniform(g, rows, 0, 1) ** 0.8) * max(amount, 0.2)
        level = loud.clamp(min=0.02) * 0.6 * 10 ** (-snr_db / 20)
        which = torch.randint(len(self.noises), (rows,), generator=g)
        start = torch.randint(self.noises.shape[1] - samples, (rows,), generator=g)
        noise = torch.stack(
            [self.noises[i, s : s + samples] for i, s in zip(which, start, strict=True)]
        )
        return pcm + noise * level * _happens(g, rows, 0.75 * amount)

    def telephone(self, pcm: Tensor, g: torch.Generator) -> Tensor:
        """Every row through a line: a narrow band of its own, half of them as G.711."""
        hz = torch.fft.rfftfreq(pcm.shape[1], 1 / SAMPLE_RATE_HZ)
        low_hz, high_hz = _uniform(g, len(pcm), 40, 350), _uniform(g, len(pcm), 3000, 4200)
        kept = torch.where((hz < low_hz) | (hz > high_hz), 0.003, 1.0)
        narrow = torch.fft.irfft(torch.fft.rfft(pcm) * kept, pcm.shape[1])
        coded = audio.mu_law_encoding(narrow.clamp(-1, 1), _MU_LAW_LEVELS)
        heard = audio.mu_law_decoding(coded, _MU_LAW_LEVELS)
        return torch.where(_happens(g, len(pcm), 0.5).bool(), heard, narrow)

    def losses(self, pcm: Tensor, g: torch.Generator) -> Tensor:
        """Some packets of every row never arrive."""
        packets = -(-pcm.shape[1] // PACKET_SAMPLES)
        lost = torch.rand(len(pcm), packets, generator=g) < 0.02
        lost = lost | F.pad(lost, (1, 0))[:, :-1]
        kept = (~lost).float().repeat_interleave(PACKET_SAMPLES, 1)[:, : pcm.shape[1]]
        return pcm * kept


def augment_mel(mel: Tensor, g: torch.Generator) -> Tensor:
    """Other microphones and other throats: gain, tilt, floor, formants, gaps.

    Args:
        mel: [B, T, bands], of `LogMel`.
        g: where the draws come from.
    """
    power = torch.exp((mel - _MEL_OFFSET) / _MEL_SCALE) - _MEL_FLOOR
    rows, steps, bands = power.shape
    if float(torch.rand((), generator=g)) < 0.5:
        half = rows // 2
        factor = float(torch.empty(()).uniform_(0.88, 1.13, generator=g))
        power = torch.cat((_stretch(power[:half], factor), power[half:]))
    gain = 0.5 * torch.randn(rows, 1, 1, generator=g)
    tilt = _smooth_curve(0.5 * torch.randn(rows, 1, 6, generator=g), bands)
    power = power * torch.exp(gain + tilt)
    floor = torch.exp(torch.empty(rows, 1, 1).uniform_(-8.5, -4.5, generator=g))
    floor = floor * torch.exp(_smooth_curve(0.8 * torch.randn(rows, 1, 4, generator=g), bands))
    ripple = torch.exp(0.35 * torch.randn(rows, steps, bands, generator=g))
    power = power + floor * ripple * _happens(g, rows, 0.4)[..., None]
    power = power * _gaps(rows, steps, 8, g)[:, :, None] * _gaps(rows, bands, 8, g)[:, None]
    return torch.log(power.clamp(min=0) + _MEL_FLOOR) * _MEL_SCALE + _MEL_OFFSET


def _noises(speech: Tensor, seed: int) -> Tensor:
    """Three coloured noises to every crowd, at a root mean square of 1: f32 [_NOISES, N]."""
    samples = _NOISE_SECONDS * SAMPLE_RATE_HZ
    rng = child_rng(seed, "training noises")
    rows = []
    for index in range(_NOISES):
        if index % 4 == 3 and len(speech) > samples:
            starts = rng.integers(0, len(speech) - samples, int(rng.integers(3, 8)))
            crowd = sum(speech[s : s + samples].float() for s in starts.tolist())
            rows.append(crowd / crowd.std())  # type: ignore[union-attr]
        else:
            rows.append(torch.from_numpy(coloured_noise(rng, samples, 0.0)))
    return torch.stack(rows)


def _stretch(power: Tensor, factor: float) -> Tensor:
    """Stretch the band axis."""
    bands = power.shape[-1]
    at = (torch.arange(bands) * factor).clamp(max=bands - 1.001)
    low = at.long()
    share = at - low
    return power[..., low] * (1 - share) + power[..., low + 1] * share


def _smooth_curve(knots: Tensor, length: int) -> Tensor:
    return F.interpolate(knots, length, mode="linear")


def _gaps(rows: int, length: int, longest: int, g: torch.Generator) -> Tensor:
    """A quarter of the rows with a gap somewhere: f32 [rows, length]."""
    start = torch.randint(length - longest, (rows, 1), generator=g)
    width = torch.randint(1, longest, (rows, 1), generator=g)
    at = torch.arange(length)
    inside = (at >= start) & (at < start + width) & (torch.rand(rows, 1, generator=g) < 0.25)
    return torch.where(inside, 0.08, 1.0)


def _uniform(g: torch.Generator, rows: int, low: float, high: float) -> Tensor:
    return torch.empty(rows, 1).uniform_(low, high, generator=g)


def _happens(g: torch.Generator, rows: int, share: float) -> Tensor:
    """1 or 0 per row: f32 [rows, 1]."""
    return (torch.rand(rows, 1, generator=g) < share).float()


def load_numpy(arrays: list[np.ndarray]) -> Tensor:
    """Shards in a row as one tensor."""
    return torch.from_numpy(np.concatenate(arrays))
