"""What training does to clips of clean speech, many at once: rooms, distance, noise, telephone.

Batched torch versions of `scenes.acoustics` and `scenes.channel`, drawn anew at every step. Sound
is f32 [B, N] at 24 kHz, on the device of the generator that the draws come from.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchaudio.functional as audio
from torch import Tensor
from voiceagent_codec.mel import LogMel, MelFrames

from voiceagent.audio.framing import PACKET_SAMPLES, SAMPLE_RATE_HZ
from voiceagent.scenes.noise import coloured_noise, tune, white_noise
from voiceagent.scenes.seeds import child_rng

_NOISES, _NOISE_SECONDS = 24, 20
# of the noises every fourth is a crowd, drawn anew: so many voices, the last ones not always there
_CROWD, _FEWEST_VOICES, _MOST_VOICES = 3, 3, 7
_ROOM_SAMPLES = SAMPLE_RATE_HZ * 2 // 5
# a telephone's rate is a third of ours
_NARROW = 3
_MU_LAW_LEVELS = 256
# the scale that all of it is done in, that of `voiceagent_codec.mel.LogMel`
_MEL_SCALE, _MEL_OFFSET, _MEL_FLOOR = LogMel.scale, LogMel.offset, 1e-4
# frames this far below the loudest, in that scale, are no speech
_SPEECH_RANGE = 1.6
# width of the most that sounds run into each other, in frames of 10 ms
_BLUR_FRAMES, _BLUR_REACH = 2.6, 7
# a sound takes about so many of them; how far its bands are moved at most, and its levels
_SOUND_FRAMES, _SOUND_KNOTS = 9, 7
_ACCENT_BANDS, _COLOUR = 2.0, 0.35


class Augmenter:
    """Draws what happens to a batch; all draws come from the generator given to each method."""

    def __init__(self, speech: Tensor, seed: int, device: torch.device | str = "cpu") -> None:
        """Take a crowd's voices from `speech`, i16 [N]; sound will be on `device`."""
        self.noises = _noises(seed).to(device)
        self.speech = speech.to(device)

    def room(self, pcm: Tensor, g: torch.Generator, wetness: tuple[float, float]) -> Tensor:
        """Every row in a room of its own."""
        rows, samples = pcm.shape
        length = (uniform(g, rows, 0.05, 0.4) * SAMPLE_RATE_HZ).clamp(max=_ROOM_SAMPLES - 1)
        time = torch.arange(_ROOM_SAMPLES, device=g.device)
        tail = torch.randn(rows, _ROOM_SAMPLES, generator=g, device=g.device)
        tail *= torch.exp(-6 * time / length)
        tail *= (time >= uniform(g, rows, 20, 200)) & (time < length)
        tail *= uniform(g, rows, *wetness) / tail.abs().amax(1, keepdim=True).clamp(min=1e-6)
        tail[:, 0] = 1.0
        padded = 1 << (samples + _ROOM_SAMPLES - 1).bit_length()
        wet = torch.fft.rfft(pcm, padded) * torch.fft.rfft(tail, padded)
        return torch.fft.irfft(wet, padded)[:, :samples]

    def far(self, pcm: Tensor, g: torch.Generator) -> Tensor:
        """Every row as from across the room or turned away: dull and reverberant, as loud."""
        spectrum = torch.fft.rfft(pcm)
        hz = torch.fft.rfftfreq(pcm.shape[1], 1 / SAMPLE_RATE_HZ, device=g.device)
        cutoff_hz = uniform(g, len(pcm), 2000, 4500)
        dull = torch.fft.irfft(spectrum / torch.sqrt(1 + (hz / cutoff_hz) ** 4), pcm.shape[1])
        wet = self.room(dull, g, (0.08, 0.3))
        loudest = pcm.abs().amax(1, keepdim=True)
        return wet / wet.abs().amax(1, keepdim=True).clamp(min=1e-4) * loudest

    def noise(self, pcm: Tensor, g: torch.Generator, amount: float) -> Tensor:
        """Most rows in noise or in a crowd, 0 to 34 dB below their loud parts."""
        rows, samples = pcm.shape
        loud = pcm.unfold(1, 960, 960).square().mean(2).sqrt().amax(1, keepdim=True)
        snr_db = 34 - (34 * uniform(g, rows, 0, 1) ** 0.8) * max(amount, 0.2)
        level = loud.clamp(min=0.02) * 0.6 * 10 ** (-snr_db / 20)
        noise = self.any_noise(rows, samples, g)
        return pcm + noise * level * happens(g, rows, 0.75 * amount)

    def any_noise(
        self, rows: int, samples: int, g: torch.Generator, babble: Tensor | None = None
    ) -> Tensor:
        """Pieces of noise at a root mean square of about 1; longer than there are, they go round.

        Args:
            rows: how many.
            samples: in each.
            g: where the draws come from.
            babble: bool [rows], those that must be a crowd; None leaves it to chance.
        """
        count, length = self.noises.shape
        which = torch.randint(count, (rows,), generator=g, device=g.device)
        is_crowd = which % 4 == _CROWD if babble is None else babble
        start = torch.randint(length, (rows,), generator=g, device=g.device)
        at = (start[:, None] + torch.arange(samples, device=g.device)) % length
        noise = self.noises[which[:, None], at]
        crowded = is_crowd.nonzero()[:, 0]
        if len(crowded):
            noise = noise.index_copy(0, crowded, self.crowd(len(crowded), samples, g))
        return noise

    def crowd(self, rows: int, samples: int, g: torch.Generator) -> Tensor:
        """Some people speaking at once, each row others, near and far, at about 1: f32 [B, N]."""
        starts = torch.randint(
            len(self.speech), (rows, _MOST_VOICES, 1), generator=g, device=g.device
        )
        at = (starts + torch.arange(samples, device=g.device)) % len(self.speech)
        levels = 10 ** uniform(g, rows * _MOST_VOICES, -0.6, 0.0).view(rows, -1)
        present = uniform(g, rows, _FEWEST_VOICES, _MOST_VOICES + 1).floor()
        levels = levels * (torch.arange(_MOST_VOICES, device=g.device) < present)
        voices = torch.einsum("rv,rvn->rn", levels, self.speech[at].float())
        return voices / voices.std(1, keepdim=True).clamp(min=1.0)

    def sounds(self, rows: int, samples: int, g: torch.Generator) -> Tensor:
        """No speech, but noise, music or a crowd of -50 to -14 dBFS; most of it comes and goes."""
        noise = self.any_noise(rows, samples, g) * 10 ** uniform(g, rows, -2.5, -0.7)
        draws = torch.randn(
            rows, 1, -(-samples // PACKET_SAMPLES) // 8 + 2, generator=g, device=g.device
        )
        is_on = _smooth_curve(draws, samples)[:, 0] > uniform(g, rows, -1.5, 0.7)
        return noise * is_on

    def telephone(self, pcm: Tensor, g: torch.Generator) -> Tensor:
        """Every row through a line: a band of its own, nothing above 4 kHz, half of them G.711."""
        rows, samples = pcm.shape
        padded = F.pad(pcm, (0, -samples % (2 * _NARROW)))
        wide_bins, narrow = padded.shape[1] // 2 + 1, padded.shape[1] // _NARROW
        hz = torch.arange(narrow // 2 + 1, device=g.device) * (SAMPLE_RATE_HZ / padded.shape[1])
        low_hz, high_hz = uniform(g, rows, 40, 350), uniform(g, rows, 3000, 4000)
        spectrum = torch.fft.rfft(padded)[:, : len(hz)] * ((hz >= low_hz) & (hz <= high_hz))
        sound = torch.fft.irfft(spectrum / _NARROW, narrow)
        coded = audio.mu_law_encoding(sound.clamp(-1, 1), _MU_LAW_LEVELS)
        heard = audio.mu_law_decoding(coded, _MU_LAW_LEVELS)
        sound = torch.where(happens(g, rows, 0.5).bool(), heard, sound)
        back = F.pad(torch.fft.rfft(sound), (0, wide_bins - len(hz))) * _NARROW
        return torch.fft.irfft(back, padded.shape[1])[:, :samples]

    def losses(self, pcm: Tensor, g: torch.Generator, share: Tensor | float = 0.04) -> Tensor:
        """Some packets of every row never arrive, two or three at a time."""
        packets = -(-pcm.shape[1] // PACKET_SAMPLES)
        draws = torch.rand(len(pcm), packets, generator=g, device=g.device)
        begins = F.pad((draws < share / 2.5).float(), (2, 0))
        is_third = F.pad((draws < share / 5).float(), (2, 0))
        lost = begins[:, 2:] + begins[:, 1:-1] + is_third[:, :-2]
        kept = (lost == 0).float().repeat_interleave(PACKET_SAMPLES, 1)[:, : pcm.shape[1]]
        return pcm * kept


def augment_mel(frames: Tensor, g: torch.Generator, of: MelFrames) -> Tensor:
    """Other microphones, throats and tongues: gain, tilt, floor, formants, articulation, gaps.

    Args:
        frames: [B, T, bands].
        g: where the draws come from.
        of: what made them, for their scale.
    """
    ratio = _MEL_SCALE / of.scale
    changed = _augmented((frames - of.offset) * ratio + _MEL_OFFSET, g)
    return ((changed - _MEL_OFFSET) / ratio + of.offset).clamp(min=of.least)


def _augmented(mel: Tensor, g: torch.Generator) -> Tensor:
    power = torch.exp((_pronounce(mel, g) - _MEL_OFFSET) / _MEL_SCALE) - _MEL_FLOOR
    rows, steps, bands = power.shape
    is_other = happens(g, rows, 0.25)
    power = _stretch(power, torch.where(is_other > 0, uniform(g, rows, 0.88, 1.13), 1.0))
    gain = 0.5 * _normal(g, rows, 1, 1)
    tilt = _smooth_curve(0.5 * _normal(g, rows, 1, 6), bands)
    power = power * torch.exp(gain + tilt)
    floor = torch.exp(uniform(g, rows, -8.5, -4.5))[..., None]
    floor = floor * torch.exp(_smooth_curve(0.8 * _normal(g, rows, 1, 4), bands))
    ripple = torch.exp(0.35 * _normal(g, rows, steps, bands))
    power = power + floor * ripple * happens(g, rows, 0.4)[..., None]
    power = power * _gaps(rows, steps, 8, g)[:, :, None] * _gaps(rows, bands, 8, g)[:, None]
    return torch.log(power.clamp(min=0) + _MEL_FLOOR) * _MEL_SCALE + _MEL_OFFSET


def _pronounce(mel: Tensor, g: torch.Generator) -> Tensor:
    """Three quarters of the rows as somebody else would say it; see `scenes.manner`."""
    rows, steps, bands = mel.shape
    below = mel.mean(2, keepdim=True)
    below = below - below.amax(1, keepdim=True)
    is_speech = torch.sigmoid(12 * (below + _SPEECH_RANGE))
    mean = (mel * is_speech).sum(1, keepdim=True) / is_speech.sum(1, keepdim=True)
    distinctness, dynamics = uniform(g, rows, 0.72, 1.15), uniform(g, rows, 0.6, 1.4)
    changed = mel + (distinctness[..., None] - 1) * is_speech * (mel - mean)
    changed = changed + (dynamics[..., None] - 1) * below.clamp(min=-_SPEECH_RANGE)
    # every sound moved by some bands, and coloured
    accent, colour = uniform(g, rows, 0, _ACCENT_BANDS), uniform(g, rows, 0, _COLOUR)
    draws = _normal(g, 2, rows, _SOUND_KNOTS, -(-steps // _SOUND_FRAMES) + 1)
    moves, colours = F.interpolate(draws, (bands, steps), mode="bilinear").mT
    at = torch.arange(bands, device=mel.device) + moves * accent[..., None]
    changed = _read_bands(changed, at) + colours * colour[..., None] * is_speech
    changed = _blur(changed, uniform(g, rows, -0.4, 0.8).clamp(min=0))
    return torch.where(happens(g, rows, 0.75)[..., None] > 0, changed, mel)


def _blur(mel: Tensor, share: Tensor) -> Tensor:
    """Let sounds run into each other, each row by its share [B, 1]."""
    at = torch.arange(-_BLUR_REACH, _BLUR_REACH + 1, device=mel.device)
    kernel = torch.exp(-0.5 * (at / _BLUR_FRAMES) ** 2)
    padded = F.pad(mel.mT, (_BLUR_REACH, _BLUR_REACH), mode="replicate")
    blurred = F.conv1d(padded.flatten(0, 1)[:, None], (kernel / kernel.sum())[None, None])[:, 0]
    return mel + share[..., None] * (blurred.view(len(mel), mel.shape[2], -1).mT - mel)


def _read_bands(frames: Tensor, at: Tensor) -> Tensor:
    """Read [B, T, bands] between its bands, at the places of `at`, of the same shape."""
    at = at.clamp(0, frames.shape[2] - 1.001)
    low = at.long()
    share = at - low
    return frames.gather(2, low) * (1 - share) + frames.gather(2, low + 1) * share


def _noises(seed: int) -> Tensor:
    """White, coloured, a tune, coloured, and so on, at about 1: f32 [_NOISES, N]."""
    samples = _NOISE_SECONDS * SAMPLE_RATE_HZ
    rng = child_rng(seed, "training noises")
    kinds = (white_noise, coloured_noise, tune, coloured_noise)
    rows = [torch.from_numpy(kinds[index % 4](rng, samples, 0.0)) for index in range(_NOISES)]
    return torch.stack(rows)


def _stretch(power: Tensor, factor: Tensor) -> Tensor:
    """Stretch the band axis of every row by its factor [B, 1]."""
    at = torch.arange(power.shape[-1], device=power.device) * factor
    return _read_bands(power, at[:, None].expand_as(power))


def _smooth_curve(knots: Tensor, length: int) -> Tensor:
    return F.interpolate(knots, length, mode="linear")


def _gaps(rows: int, length: int, longest: int, g: torch.Generator) -> Tensor:
    """A quarter of the rows with a gap somewhere: f32 [rows, length]."""
    start = torch.randint(length - longest, (rows, 1), generator=g, device=g.device)
    width = torch.randint(1, longest, (rows, 1), generator=g, device=g.device)
    at = torch.arange(length, device=g.device)
    inside = (at >= start) & (at < start + width) & (happens(g, rows, 0.25) > 0)
    return torch.where(inside, 0.08, 1.0)


def _normal(g: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=g, device=g.device)


def uniform(g: torch.Generator, rows: int, low: float, high: float) -> Tensor:
    """A number per row: f32 [rows, 1]."""
    return torch.empty(rows, 1, device=g.device).uniform_(low, high, generator=g)


def happens(g: torch.Generator, rows: int, share: float) -> Tensor:
    """1 or 0 per row: f32 [rows, 1]."""
    return (torch.rand(rows, 1, generator=g, device=g.device) < share).float()
