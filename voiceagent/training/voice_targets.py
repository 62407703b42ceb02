"""What the agent's voice should tell its source filter: band levels, pitch and voicing per 10 ms.

Hibari says itself what is harmonic and what is noise, so the targets need no pitch tracker: its
parts are synthesised one by one and measured in the bands of `voiceagent_codec.source_filter`.
Two corrections come from what that filter can do: where hibari lets the phase run free its
harmonics partly cancel, and below 3 kHz a voiced frame is taken as all harmonic, which sounds less
hoarse (2026-11-21).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from voiceagent_codec.mel import (
    BINS,
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    hz_to_mel,
    mel_to_hz,
)
from voiceagent_codec.source_filter import HARMONIC_BANDS, NOISE_BANDS

from voiceagent.audio.framing import FRAME_SAMPLES, PACKET_MS, PACKET_SAMPLES, Samples
from voiceagent.scenes.hibari import LOUDNESS, SPECTRUM_FRAME_MS, HibariEngine, Spectra, phones
from voiceagent.scenes.phones import PHONE_IDS

F64 = NDArray[np.float64]

_HOP_MS = 1000 * HOP_SAMPLES / SAMPLE_RATE_HZ
_BIN_HZ = SAMPLE_RATE_HZ / WINDOW_SAMPLES
_WINDOW = np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES))
_WINDOW_POWER = float(np.square(_WINDOW).sum())
_NOTHING = -30.0  # a log level that is silent
_VOICED_HZ = 60.0
_ALL_HARMONIC_HZ, _STEEPNESS = 3000.0, 6.0
_SMOOTHING_BINS = 9


@dataclass(frozen=True, slots=True, eq=False)
class VoiceTargets:
    """A sentence of the agent's, N a multiple of 1920 and T = N / 240.

    Row j describes the sound around sample (j - 1) * 240, which is where the filter's window lies.

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


def band_centres(bands: int) -> F64:
    """Centres of the source filter's bands, in Hz."""
    return mel_to_hz(np.linspace(hz_to_mel(40), hz_to_mel(SAMPLE_RATE_HZ / 2), bands))


def analyse(
    engine: HibariEngine, text: str, speed: float, rng: np.random.Generator
) -> VoiceTargets:
    """Speak a text of one sentence with the plain voice and measure it."""
    (phonemes,) = engine.phonemes(text)
    spectra, starts = engine.spectra(phonemes, speed)
    harmonic_pcm, noise_pcm = _parts(engine, spectra, rng)
    samples = -(-len(harmonic_pcm) // FRAME_SAMPLES) * FRAME_SAMPLES
    pcm = np.pad(harmonic_pcm + noise_pcm, (0, samples - len(harmonic_pcm)))
    pitch_hz = _pitch(spectra, samples // HOP_SAMPLES)
    noise = 0.5 * np.log(_band_power(noise_pcm, samples, NOISE_BANDS) / _WINDOW_POWER + 1e-12)
    harmonic = _own_harmonic(engine, spectra, harmonic_pcm, samples, rng)
    harmonic, noise = _as_all_harmonic(pcm, pitch_hz, harmonic, noise)
    return VoiceTargets(
        pcm=np.clip(pcm, -1.0, 1.0).astype(np.float32),
        harmonic=harmonic.astype(np.float32),
        noise=noise.astype(np.float32),
        pitch_hz=pitch_hz.astype(np.float32),
        phones=_phone_track(phones(phonemes, starts, pcm), samples),
    )


def _parts(
    engine: HibariEngine, spectra: Spectra, rng: np.random.Generator
) -> tuple[Samples, Samples]:
    """The harmonic part, and all the rest."""
    nothing = np.full_like(spectra.log_harmonic, _NOTHING)
    voiced = replace(spectra, log_noise=nothing, log_residual=nothing)
    rest = replace(spectra, log_harmonic=nothing)
    return engine.synthesise(voiced, rng), engine.synthesise(rest, rng)


def _own_harmonic(
    engine: HibariEngine,
    spectra: Spectra,
    harmonic_pcm: Samples,
    samples: int,
    rng: np.random.Generator,
) -> F64:
    """Hibari's harmonic levels at 10 ms, less what its free phase loses: [T, bands]."""
    power = np.exp(2 * spectra.log_harmonic.astype(np.float64))
    own_hz = SAMPLE_RATE_HZ / 2 / (len(power) - 1)
    levels = 0.5 * np.log(_mean_by_band(power.T, own_hz, HARMONIC_BANDS) + 1e-12)
    levels += np.log(LOUDNESS / 300)  # a unit pulse train in hibari's window and hop
    at = np.clip(_frame_of(samples // HOP_SAMPLES), 0, len(levels) - 1)
    low = at.astype(int)
    high = np.minimum(low + 1, len(levels) - 1)
    share = (at - low)[:, None]
    in_phase = replace(spectra, harmonic_phase=np.zeros_like(spectra.harmonic_phase))
    aligned_pcm, _ = _parts(engine, in_phase, rng)
    real, aligned = (
        _band_power(pcm, samples, HARMONIC_BANDS) + 1e-6 for pcm in (harmonic_pcm, aligned_pcm)
    )
    lost = np.clip(0.5 * np.log(real / aligned), -3.0, 0.3)
    return np.asarray(levels[low] * (1 - share) + levels[high] * share + lost)


def _as_all_harmonic(pcm: Samples, pitch_hz: F64, harmonic: F64, noise: F64) -> tuple[F64, F64]:
    """In voiced frames, below 3 kHz: the harmonics alone give the whole sound its level."""
    pulses = _pulse_train(pitch_hz)
    whole, unit = (
        _mean_by_band(
            _smooth(_power(np.pad(sound, (720, 480)), len(pitch_hz))), _BIN_HZ, HARMONIC_BANDS
        )
        for sound in (pcm, pulses)
    )
    needed = 0.5 * np.log((whole + 1e-6) / (unit + 0.1))
    voiced = (pitch_hz > 0)[:, None]
    below = 1 - _above(HARMONIC_BANDS)
    harmonic = np.where(voiced, harmonic * (1 - below) + needed * below, harmonic)
    quieter = 0.5 * np.log(_above(NOISE_BANDS) + 1e-3)
    return harmonic, np.where(voiced, noise + quieter, noise)


def _pulse_train(pitch_hz: F64) -> Samples:
    """Unit pulses at the pitch, f32[T * 240]."""
    import hibari.dsp

    own = np.arange(round(len(pitch_hz) * _HOP_MS / SPECTRUM_FRAME_MS))
    at = (np.arange(len(pitch_hz)) - 1) * _HOP_MS / SPECTRUM_FRAME_MS
    voiced = np.interp(own, at, pitch_hz > 0) > 0.5
    pulses = hibari.dsp.pulses((np.interp(own, at, pitch_hz) * voiced).astype(np.float32))
    return np.resize(np.pad(pulses, (0, FRAME_SAMPLES)), len(pitch_hz) * HOP_SAMPLES)


def _pitch(spectra: Spectra, hops: int) -> F64:
    """Pitch at 10 ms, through unvoiced gaps in a line, 0 where unvoiced."""
    pitch_hz = spectra.pitch_hz.astype(np.float64)
    voiced = np.flatnonzero(pitch_hz > _VOICED_HZ)
    if len(voiced) == 0:
        return np.zeros(hops)
    at = np.clip(_frame_of(hops), 0, len(pitch_hz) - 1)
    track = np.exp(np.interp(at, voiced, np.log(pitch_hz[voiced])))
    return np.where(pitch_hz[np.rint(at).astype(int)] > _VOICED_HZ, track, 0.0)


def _frame_of(hops: int) -> F64:
    """Hibari's frame of every row."""
    return np.asarray((np.arange(hops) - 1) * _HOP_MS / SPECTRUM_FRAME_MS)


def _band_power(pcm: Samples, samples: int, bands: int) -> F64:
    """Mean power per bin of each band around each row: [T, bands]."""
    padded = np.pad(pcm, (720, samples - len(pcm) + 480))
    return _mean_by_band(_power(padded, samples // HOP_SAMPLES), _BIN_HZ, bands)


def _power(padded: Samples, hops: int) -> F64:
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)
    return np.asarray(np.abs(np.fft.rfft(windows[::HOP_SAMPLES][:hops] * _WINDOW)) ** 2)


def _mean_by_band(power: F64, bin_hz: float, bands: int) -> F64:
    """[T, bins] -> [T, bands], each from half-way to its neighbours."""
    at = band_centres(bands) / bin_hz
    edges = np.concatenate(([0.0], (at[1:] + at[:-1]) / 2, [power.shape[1]]))
    first = np.minimum(np.floor(edges[:-1]).astype(int), power.shape[1] - 1)
    last = np.clip(np.ceil(edges[1:]).astype(int), first + 1, power.shape[1])
    total = np.concatenate((np.zeros((len(power), 1)), np.cumsum(power, 1)), 1)
    return np.asarray((total[:, last] - total[:, first]) / (last - first))


def _smooth(power: F64) -> F64:
    """Over the bins, so that single harmonics do not decide what a band holds."""
    half = _SMOOTHING_BINS // 2
    padded = np.pad(power, ((0, 0), (half + 1, half)), mode="edge")
    total = np.cumsum(padded, 1)
    return np.asarray((total[:, _SMOOTHING_BINS:] - total[:, :-_SMOOTHING_BINS])[:, :BINS])


def _above(bands: int) -> F64:
    """0 well below 3 kHz, 1 well above: the share of noise in a voiced frame."""
    octaves = np.log(band_centres(bands)) - np.log(_ALL_HARMONIC_HZ)
    return np.asarray(1 / (1 + np.exp(-_STEEPNESS * octaves)))


def _phone_track(sounds: list[tuple[str, int]], samples: int) -> NDArray[np.uint8]:
    track = np.zeros(samples // PACKET_SAMPLES, np.uint8)
    scale = SPECTRUM_FRAME_MS / PACKET_MS
    for (name, start), (_, end) in itertools.pairwise(sounds):
        track[round(start * scale) : round(end * scale)] = PHONE_IDS[name]
    return track
