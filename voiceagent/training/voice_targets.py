"""What the agent's voice should tell its source filter: band levels, pitch and voicing per 10 ms.

Hibari says itself what is harmonic and what is not, so the targets need no pitch tracker and no
analysis of sound. Its phases are left out. That alone, zero for the harmonics' and random ones for
the rest, leaves PESQ 2.5 and STOI .94 (30 sentences, 2026-11-23).
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from voiceagent_codec.mel import HOP_SAMPLES, SAMPLE_RATE_HZ
from voiceagent_codec.source_filter import (
    HARMONIC_BANDS,
    NOISE_BANDS,
    OVERLAP_GAIN,
    band_interpolation,
)

from voiceagent.audio.framing import FRAME_SAMPLES, PACKET_MS, PACKET_SAMPLES, Samples
from voiceagent.scenes.hibari import LOUDNESS, SPECTRUM_FRAME_MS, HibariEngine, phones
from voiceagent.scenes.phones import PHONE_IDS
from voiceagent.scenes.timbre import BINS, Spectra

F64 = NDArray[np.float64]

_FRAMES_PER_HOP = 1000 * HOP_SAMPLES / SAMPLE_RATE_HZ / SPECTRUM_FRAME_MS
_HIBARI_FFT = 2 * (BINS - 1)
# what a unit level of hibari's is in sound: of a harmonic, its amplitude; of noise, its deviation
_HARMONIC_GAIN = LOUDNESS / (_HIBARI_FFT / 4)
_NOISE_GAIN = LOUDNESS / np.sqrt(OVERLAP_GAIN * _HIBARI_FFT)
_SILENT = -12.0
_VOICED_HZ = 60.0
# in hops: row j's window is centred on (j - 1) * 240, its newest hop on (j + .5) * 240
_PULSES_AHEAD = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class VoiceTargets:
    """A sentence of the agent's, N a multiple of 1920 and T = N / 240.

    Levels in row j describe the sound around sample (j - 1) * 240, which is where the filter's
    window lies; its pitch that around (j + .5) * 240, where its pulses lie.

    Attributes:
        pcm: f32[N] at 24 kHz.
        harmonic: log levels f32[T, 64].
        noise: log levels f32[T, 40].
        pitch_hz: f32[T], 0 where unvoiced.
        phones: u8[N / 480].
    """

    pcm: Samples
    harmonic: NDArray[np.float32]
    noise: NDArray[np.float32]
    pitch_hz: NDArray[np.float32]
    phones: NDArray[np.uint8]


def analyse(
    engine: HibariEngine, text: str, speed: float, rng: np.random.Generator
) -> VoiceTargets:
    """Speak a text of one sentence with the plain voice, and say what its spectra are."""
    (phonemes,) = engine.phonemes(text)
    spectra, starts = engine.spectra(phonemes, speed)
    pcm = engine.synthesise(spectra, rng)
    sounds = phones(phonemes, starts, pcm)
    samples = -(-len(pcm) // FRAME_SAMPLES) * FRAME_SAMPLES
    at = _frames_of(samples // HOP_SAMPLES)
    # hibari draws real and imaginary parts of the noise, each of unit variance; the residual's
    # phase, which it knows, is as good as drawn
    noise = 2 * spectra.log_noise.astype(np.float64) + np.log(2)
    rest = np.logaddexp(noise, 2 * spectra.log_residual) / 2
    return VoiceTargets(
        pcm=np.pad(pcm, (0, samples - len(pcm))),
        harmonic=_between(_fitted(spectra.log_harmonic) + np.log(_HARMONIC_GAIN), at),
        noise=_between(_mean_power(rest) + np.log(_NOISE_GAIN), at),
        pitch_hz=_pitch(spectra, at + _PULSES_AHEAD * _FRAMES_PER_HOP).astype(np.float32),
        phones=_phone_track(sounds, samples),
    )


def _frames_of(hops: int) -> F64:
    """Hibari's frame of every row."""
    return np.asarray((np.arange(hops) - 1) * _FRAMES_PER_HOP)


def _fitted(log_levels: NDArray[np.float32]) -> F64:
    """[601, F] -> [F, bands]: between these bands the filter comes nearest to them."""
    return np.asarray((_pseudo_inverse() @ np.maximum(log_levels, _SILENT)).T)


@functools.cache
def _pseudo_inverse() -> F64:
    return np.linalg.pinv(band_interpolation(HARMONIC_BANDS, BINS).numpy().T.astype(np.float64))


def _mean_power(log_levels: F64) -> F64:
    """[601, F] -> [F, bands]: the log level of each band's mean power."""
    weights = band_interpolation(NOISE_BANDS, BINS).numpy().astype(np.float64)
    power = np.exp(2 * np.maximum(log_levels, _SILENT))
    return np.asarray(0.5 * np.log(weights @ power / weights.sum(1, keepdims=True)).T)


def _between(rows: F64, at: F64) -> NDArray[np.float32]:
    """Rows at times between them."""
    at = np.clip(at, 0, len(rows) - 1)
    low = at.astype(int)
    share = (at - low)[:, None]
    high = np.minimum(low + 1, len(rows) - 1)
    return np.asarray(rows[low] * (1 - share) + rows[high] * share, np.float32)


def _pitch(spectra: Spectra, at: F64) -> F64:
    """Pitch at 10 ms, through unvoiced gaps in a line, 0 where unvoiced."""
    pitch_hz = spectra.pitch_hz.astype(np.float64)
    voiced = np.flatnonzero(pitch_hz > _VOICED_HZ)
    if len(voiced) == 0:
        return np.zeros(len(at))
    at = np.clip(at, 0, len(pitch_hz) - 1)
    track = np.exp(np.interp(at, voiced, np.log(pitch_hz[voiced])))
    return np.where(pitch_hz[np.rint(at).astype(int)] > _VOICED_HZ, track, 0.0)


def _phone_track(sounds: list[tuple[str, int]], samples: int) -> NDArray[np.uint8]:
    track = np.zeros(samples // PACKET_SAMPLES, np.uint8)
    scale = SPECTRUM_FRAME_MS / PACKET_MS
    for (name, start), (_, end) in itertools.pairwise(sounds):
        track[round(start * scale) : round(end * scale)] = PHONE_IDS[name]
    return track
