"""Chirps for a microphone, and how long each took to come back: pure arrays at 48 kHz.

Eight kinds take turns (up and down, in four bands), so that a delay of several periods is still
known for what it is.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.signal import correlate

RATE_HZ = 48_000
CHIRP_MS = 40
PERIOD_MS = 200
BANDS_HZ = ((500, 1500), (1500, 2500), (2500, 3500), (3500, 4500))
#: A longer delay would be taken for a shorter one: the same kind comes again after 1.6 s.
LONGEST_MS = 2 * len(BANDS_HZ) * PERIOD_MS - CHIRP_MS
PEAK = 0.6
#: Of the usual match of its kind: below this a chirp was lost, or mostly made up.
MIN_MATCH = 0.35

Sound = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True)
class Chirp:
    """One chirp of a recording.

    Attributes:
        at_ms: when the microphone gave it, from the start of the recording.
        delay_ms: until it came back; None when it did not.
    """

    at_ms: float
    delay_ms: float | None


def kinds() -> list[Sound]:
    """The chirps, float32 [1920] each."""
    time_s = np.arange(RATE_HZ * CHIRP_MS // 1000) / RATE_HZ
    chirps = []
    for low, high in BANDS_HZ:
        slope = (high - low) / (2 * time_s[-1])
        up = np.sin(2 * np.pi * (low * time_s + slope * time_s**2)) * np.hanning(time_s.size)
        chirps += [up.astype(np.float32), up[::-1].astype(np.float32)]
    return chirps


def microphone(seconds: int) -> Sound:
    """A chirp every `PERIOD_MS`, the kinds in turn: float32 [N]."""
    period, chirps = RATE_HZ * PERIOD_MS // 1000, kinds()
    sound = np.zeros(RATE_HZ * seconds, np.float32)
    for number, start in enumerate(range(0, sound.size - period + 1, period)):
        chirp = chirps[number % len(chirps)]
        sound[start : start + chirp.size] = PEAK * chirp
    return sound


def measure(sent: Sound, returned: Sound) -> list[Chirp]:
    """How long each chirp took.

    Args:
        sent: float32 [N], the microphone.
        returned: float32 [N], what came back, on the same clock.

    Returns:
        The chirps of the microphone in order, without those of the last `LONGEST_MS`, which may be
        on their way.
    """
    found = []
    horizon = RATE_HZ * LONGEST_MS // 1000
    for chirp in kinds():
        starts = _peaks(_match(sent, chirp), horizon)
        match = _match(returned, chirp)
        whole = [start for start in starts if start + horizon <= match.size]
        best = [start + int(np.argmax(match[start : start + horizon])) for start in whole]
        usual = np.median(match[best]) if best else 0.0
        for start, peak in zip(whole, best, strict=True):
            is_back = match[peak] > MIN_MATCH * usual
            delay_ms = (peak - start) * 1000 / RATE_HZ if is_back else None
            found.append(Chirp(start * 1000 / RATE_HZ, delay_ms))
    return sorted(found, key=lambda item: item.at_ms)


def _match(sound: Sound, chirp: Sound) -> Sound:
    return np.abs(correlate(sound, chirp, "valid", "fft"))


def _peaks(match: Sound, apart: int) -> list[int]:
    """Where the microphone's own chirps are: nothing is lost there."""
    left, peaks, least = match.copy(), [], 0.5 * match.max()
    while left[peak := int(np.argmax(left))] > least:
        peaks.append(peak)
        left[max(0, peak - apart // 2) : peak + apart // 2] = 0
    return sorted(peaks)
