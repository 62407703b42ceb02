"""What happens to speech between mouth and microphone: distance, room, telephone.

Pure functions on f32[N] at 24 kHz. Noise is in `noise`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples

#: Peak of a small room's reverberation against the direct sound.
WETNESS = (0.02, 0.16)
_TELEPHONE_HZ = (300.0, 3400.0)
_TELEPHONE_RATE_DIVISOR = 3  # 24 kHz -> 8 kHz
_MU_LAW_BIAS = 132
_MU_LAW_CLIP = 32635


def gain(pcm: Samples, gain_db: float) -> Samples:
    """Return the sound louder (positive) or softer by so many dB."""
    return np.asarray(pcm * 10.0 ** (gain_db / 20.0), np.float32)


def low_pass(pcm: Samples, cutoff_hz: float) -> Samples:
    """Return the sound with what lies above the cutoff attenuated by 12 dB an octave.

    Zero-phase: nothing moves in time.
    """
    padded = 1 << max(2 * len(pcm) - 1, 1).bit_length()
    hz = np.fft.rfftfreq(padded, 1 / SAMPLE_RATE_HZ)
    response = 1.0 / np.sqrt(1.0 + (hz / cutoff_hz) ** 4)
    return np.fft.irfft(np.fft.rfft(pcm, padded) * response, padded)[: len(pcm)].astype(np.float32)


def room_response(rng: np.random.Generator, wetness: float | None = None) -> Samples:
    """Draw the impulse response of a small room: the direct sound, then decaying noise.

    Args:
        rng: where the draws come from.
        wetness: peak of the reverberation against the direct sound; None draws one of `WETNESS`.

    Returns:
        f32[1200 to 9600]: 50 to 400 ms, the first sample 1.
    """
    num_samples = int(rng.uniform(0.05, 0.4) * SAMPLE_RATE_HZ)
    decay = np.exp(-np.arange(num_samples) * 6 / num_samples)
    tail = rng.standard_normal(num_samples) * decay
    tail[: int(rng.integers(20, 200))] = 0.0  # until the first wall answers
    wetness = rng.uniform(*WETNESS) if wetness is None else wetness
    tail *= wetness / np.abs(tail).max()
    tail[0] = 1.0
    return tail.astype(np.float32)


def reverberate(pcm: Samples, response: Samples) -> Samples:
    """Return the sound in a room, longer than before by the room's tail."""
    num_samples = len(pcm) + len(response) - 1
    padded = 1 << (num_samples - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(pcm, padded) * np.fft.rfft(response, padded), padded)
    return wet[:num_samples].astype(np.float32)


def telephone(pcm: Samples) -> Samples:
    """Return the sound after a telephone call: 300 to 3400 Hz, 8 kHz, G.711 mu-law.

    Not streaming: the band is cut in one transform of the whole sound. Same length as before.
    """
    num_samples = len(pcm)
    padded = np.pad(pcm, (0, -num_samples % _TELEPHONE_RATE_DIVISOR))
    spectrum = np.fft.rfft(padded)
    hz = np.fft.rfftfreq(len(padded), 1 / SAMPLE_RATE_HZ)
    spectrum[(hz < _TELEPHONE_HZ[0]) | (hz > _TELEPHONE_HZ[1])] = 0
    num_narrow = len(padded) // _TELEPHONE_RATE_DIVISOR
    narrow = np.fft.irfft(spectrum[: num_narrow // 2 + 1], num_narrow) / _TELEPHONE_RATE_DIVISOR
    heard = np.fft.rfft(mu_law_round_trip(narrow))
    wide = np.zeros(len(padded) // 2 + 1, np.complex128)
    wide[: len(heard)] = heard
    wide[(hz < _TELEPHONE_HZ[0]) | (hz > _TELEPHONE_HZ[1])] = 0
    pcm_24k = np.fft.irfft(wide, len(padded)) * _TELEPHONE_RATE_DIVISOR
    return pcm_24k[:num_samples].astype(np.float32)


def mu_law_round_trip(pcm: NDArray[np.floating]) -> Samples:
    """Return the sound as 8-bit mu-law keeps it: sign, 3-bit exponent, 4-bit mantissa.

    Source: ITU-T G.711 (11/1988), table 2a.
    """
    linear = np.clip(np.rint(pcm * 32768.0), -32768, 32767).astype(np.int64)
    magnitude = np.minimum(np.abs(linear), _MU_LAW_CLIP) + _MU_LAW_BIAS
    exponent = np.log2(magnitude).astype(np.int64) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    decoded = (((mantissa << 3) + _MU_LAW_BIAS) << exponent) - _MU_LAW_BIAS
    return np.asarray(np.sign(linear) * decoded / 32768.0, np.float32)
