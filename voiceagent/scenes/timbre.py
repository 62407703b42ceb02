"""Other people made of one voice: its spectra stretched, its pitch scaled, its pace uneven.

Stretching the frequency axis of what `hibari` says of a sentence, and scaling its pitch, before it
is synthesised, makes speakers from male to child.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voiceagent.scenes.manner import Manner
from voiceagent.scenes.pronunciation import Pronunciation

F32 = NDArray[np.float32]

BINS = 601
_VOICED_HZ = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """What the network says about one sentence of F frames.

    Attributes:
        log_harmonic: f32[601, F], like all but the pitch; bins of 20 Hz.
        harmonic_phase: before tanh, in half turns.
        log_noise: level of the noise part.
        log_residual: level of the part with a phase of its own.
        residual_phase: in radians.
        pitch_hz: f32[F], below 60 where unvoiced.
    """

    log_harmonic: F32
    harmonic_phase: F32
    log_noise: F32
    log_residual: F32
    residual_phase: F32
    pitch_hz: F32

    def at(self, frames: NDArray[np.int64]) -> Spectra:
        """Return the spectra of some frames, in that order."""
        return Spectra(*(getattr(self, f.name)[..., frames] for f in dataclasses.fields(self)))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Timbre:
    """How a made-up speaker differs from the plain voice.

    Attributes:
        formants: factor on every resonance.
        pitch: factor on the mean pitch.
        melody: exponent of the pitch around its mean; below 1 is flatter.
        speed: factor on the pace.
        breath: added to the log level of the residual.
        equaliser: f32[601, 1] added to every log level.
        uneven: whether the pace wanders within a sentence.
        manner: how they articulate; None is as the plain voice does.
        pronunciation: which sounds they make; None is as the plain voice does.
    """

    formants: float
    pitch: float
    melody: float
    speed: float
    breath: float
    equaliser: F32
    uneven: bool
    manner: Manner | None = None
    pronunciation: Pronunciation | None = None


def random_timbre(rng: np.random.Generator) -> Timbre:
    """Draw a speaker: 45 % deep, 25 % near the plain voice, 15 % high, 15 % anything."""
    # (share, formants, pitch)
    kinds = (
        (0.45, (0.78, 0.93), (0.45, 0.75)),
        (0.25, (0.92, 1.10), (0.75, 1.15)),
        (0.15, (1.06, 1.25), (1.00, 1.45)),
        (0.15, (0.80, 1.22), (0.50, 1.35)),
    )
    _, formants, pitch = kinds[int(rng.choice(len(kinds), p=[share for share, *_ in kinds]))]
    tilt = np.linspace(0, rng.uniform(-1.2, 1.2), BINS)
    bumps = np.interp(np.arange(BINS), np.linspace(0, BINS - 1, 12), 0.4 * rng.standard_normal(12))
    return Timbre(
        formants=rng.uniform(*formants),
        pitch=rng.uniform(*pitch),
        melody=rng.uniform(0.3, 1.5),
        speed=rng.uniform(0.75, 1.3),
        breath=rng.uniform(-1.0, 1.2),
        equaliser=(tilt + bumps).astype(np.float32)[:, None],
        uneven=bool(rng.random() < 0.6),
    )


def apply_timbre(
    timbre: Timbre, spectra: Spectra, starts: list[int], rng: np.random.Generator
) -> tuple[Spectra, list[int]]:
    """Make the spectra those of somebody else, and the starts those of the new pace."""
    if timbre.uneven:
        spectra, starts = _played(spectra, starts, _wandering_pace(len(spectra.pitch_hz), rng))
    manner = timbre.manner
    if manner is not None:
        frames = manner.retime(starts, len(spectra.pitch_hz), rng)
        spectra, starts = _played(spectra, starts, frames)
    levels = [spectra.log_harmonic, spectra.log_noise, spectra.log_residual]
    if manner is not None:
        levels = manner.articulate(levels, starts, rng)
    voiced = spectra.pitch_hz > _VOICED_HZ
    mean_hz = float(spectra.pitch_hz[voiced].mean()) if voiced.any() else 200.0
    melody = (np.maximum(spectra.pitch_hz, 1.0) / mean_hz) ** timbre.melody
    harmonic, noise, residual = (
        _stretch(level, timbre.formants) + timbre.equaliser for level in levels
    )
    phases = (spectra.harmonic_phase, spectra.residual_phase)
    harmonic_phase, residual_phase = (_stretch_nearest(phase, timbre.formants) for phase in phases)
    pitch_hz = np.where(voiced, mean_hz * melody * timbre.pitch, 0.0).astype(np.float32)
    residual = residual + np.float32(timbre.breath)
    warped = Spectra(harmonic, harmonic_phase, noise, residual, residual_phase, pitch_hz)
    return warped, starts


def _played(
    spectra: Spectra, starts: list[int], frames: NDArray[np.int64]
) -> tuple[Spectra, list[int]]:
    """Play some frames, in that order, and say where the starts are then."""
    return spectra.at(frames), [int(start) for start in np.searchsorted(frames, starts)]


def _wandering_pace(num_frames: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which frames to play: a smooth random pace between .72 and 1.4."""
    knots = 2 * max(2, num_frames // 20) + 1
    rates = rng.uniform(0.72, 1.4, knots)
    steps = np.arange(2 * num_frames)
    position = np.cumsum(np.interp(steps, np.linspace(0, 2 * num_frames, knots), rates))
    return position[position < num_frames - 1].astype(np.int64)


def _stretch(spectrum: F32, factor: float) -> F32:
    """Stretch the frequency axis of [601, F], between bins linearly."""
    source = np.clip(np.arange(BINS) / factor, 0, BINS - 1)
    low = source.astype(int)
    high = np.minimum(low + 1, BINS - 1)
    share = (source - low)[:, None].astype(np.float32)
    stretched: F32 = spectrum[low] * (1 - share) + spectrum[high] * share
    return stretched


def _stretch_nearest(spectrum: F32, factor: float) -> F32:
    """Stretch the frequency axis of [601, F] without mixing bins: phases have no mean."""
    source = np.clip(np.rint(np.arange(BINS) / factor), 0, BINS - 1).astype(int)
    return np.asarray(spectrum[source], np.float32)
