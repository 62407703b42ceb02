"""Noise of rooms, streets, crowds and instruments, f32[N] at 24 kHz with its level given in dBFS.

0 dBFS is a root mean square of 1. Pure functions of a generator and numbers. What rooms and
telephones do to *speech* is in `acoustics`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples

_HUM_HZ = (50, 60, 100, 120)
# of tunes: semitones above the key note, and how fast notes die away
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10))
_DECAYS_PER_S = (0.5, 8.0)


def at_level(pcm: NDArray[np.floating], dbfs: float) -> Samples:
    """Return the sound scaled to a level; digital silence stays what it is."""
    rms = float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64)))) if len(pcm) else 0.0
    scale = 10.0 ** (dbfs / 20.0) / rms if rms > 0 else 0.0
    return (pcm * scale).astype(np.float32)


def white_noise(rng: np.random.Generator, num_samples: int, dbfs: float) -> Samples:
    """Return noise of equal power at all frequencies."""
    return at_level(rng.standard_normal(num_samples), dbfs)


def coloured_noise(rng: np.random.Generator, num_samples: int, dbfs: float) -> Samples:
    """Return noise of a random colour.

    White to brown with bumps; three in ten have mains hum, four in ten swell and fade.

    Args:
        rng: where the draws come from.
        num_samples: length.
        dbfs: level over the whole length.
    """
    hz = np.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE_HZ)
    tilt = np.maximum(hz, 20.0) ** -rng.uniform(0.0, 1.2)
    bumps = np.interp(np.log(hz + 20), np.linspace(3, 9.5, 8), 0.6 * rng.standard_normal(8))
    phases = np.exp(2j * np.pi * rng.random(len(hz)))
    noise = np.fft.irfft(tilt * np.exp(bumps) * phases, num_samples)
    if rng.random() < 0.3:
        noise = noise / noise.std() + _hum(rng, num_samples)
    if rng.random() < 0.4:
        swell = np.exp(0.6 * rng.standard_normal(40))
        noise = noise * np.interp(np.arange(num_samples), np.linspace(0, num_samples, 40), swell)
    return at_level(noise, dbfs)


def babble(
    rng: np.random.Generator, voices: Sequence[Samples], num_samples: int, dbfs: float
) -> Samples:
    """Return a crowd: every voice over and over from a place of its own, equally loud.

    Args:
        rng: where each voice begins.
        voices: speech, f32[N] each; four or more are unintelligible.
        num_samples: length.
        dbfs: level over the whole length.

    Raises:
        ValueError: there is no voice.
    """
    if not voices:
        raise ValueError("voices: a crowd needs at least one")
    crowd = np.zeros(num_samples)
    for voice in voices:
        offset = int(rng.integers(len(voice)))
        crowd += np.resize(np.roll(at_level(voice, 0.0), offset), num_samples)
    return at_level(crowd, dbfs)


def tune(rng: np.random.Generator, num_samples: int, dbfs: float) -> Samples:
    """Return music without words: up to four notes a beat, plucked or held, four in ten with drums.

    Args:
        rng: key, scale, beat, timbre, and every note.
        num_samples: length.
        dbfs: level over the whole length.
    """
    scale, key_hz = _SCALES[int(rng.integers(len(_SCALES)))], rng.uniform(80, 220)
    beat = int(rng.uniform(0.15, 0.8) * SAMPLE_RATE_HZ)
    decay, brightness = rng.uniform(*_DECAYS_PER_S), rng.uniform(0.5, 2.0)
    drum = float(rng.uniform(0.3, 2.0)) if rng.random() < 0.4 else 0.0
    out = np.zeros(num_samples)
    for start in range(0, num_samples, beat):
        time = np.arange(min(3 * beat, num_samples - start)) / SAMPLE_RATE_HZ
        sound = np.zeros(len(time))
        for _ in range(int(rng.integers(5))):
            octave, step = int(rng.integers(4)), scale[int(rng.integers(len(scale)))]
            turns = key_hz * 2 ** (octave + step / 12) * time
            sound += np.sum([np.sin(2 * np.pi * k * turns) / k**brightness for k in range(1, 6)], 0)
        hit = drum * rng.standard_normal(len(time)) * np.exp(-40 * time)
        out[start : start + len(time)] += sound * np.exp(-decay * time) + hit
    return at_level(out, dbfs)


def _hum(rng: np.random.Generator, num_samples: int) -> NDArray[np.float64]:
    base_hz = _HUM_HZ[int(rng.integers(len(_HUM_HZ)))]
    turns = base_hz * np.arange(num_samples) / SAMPLE_RATE_HZ
    partials = (
        rng.uniform(0, 0.5) * np.sin(2 * np.pi * (order * turns + rng.random()))
        for order in range(1, 6)
    )
    hum: NDArray[np.float64] = np.sum(list(partials), axis=0)
    return hum
