"""How near and how loud: level, noise floor and spectral tilt of many sessions' frames at once.

Somebody who speaks to the microphone is louder and brighter than somebody who turned away or is
across the room. Only measured here; `voiceagent.turntaking` compares it with the user's own speech.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from voiceagent.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ
from voiceagent.serving.downsample import Batch

Floats = npt.NDArray[np.float64]

LOW_HZ, HIGH_HZ = (200, 2000), (2500, 8000)
#: The floor climbs no faster: 3 dB a second, so speech, which has gaps, does not lift it.
FLOOR_RISE_DB = 0.25
#: The faintest floor: below it lies a muted line, and no sound could be told from speech.
MIN_FLOOR_DBFS = -75.0
#: A new session's floor, until something fainter is heard.
FIRST_FLOOR_DBFS = -50.0

_POWER_OF_NOTHING = 1e-14


class LevelMeter:
    """Level above the floor, slot by slot. Next: `begin` for a slot, then `frames`."""

    def __init__(self, num_slots: int) -> None:
        self._floor_dbfs = np.full(num_slots, FIRST_FLOOR_DBFS)

    def begin(self, slot: int) -> None:
        """Forget a slot's floor."""
        self._floor_dbfs[slot] = FIRST_FLOOR_DBFS

    def frames(self, slots: Sequence[int], pcm: Batch) -> tuple[Floats, Floats]:
        """Measure one frame per slot.

        Args:
            slots: of the rows, each at most once.
            pcm: float32 [B, 1920] at 24 kHz, finite.

        Returns:
            Level and floor, dBFS, float64 [B] each.
        """
        power = np.mean(np.square(pcm, dtype=np.float64), axis=1)
        level_dbfs = 10 * np.log10(power + _POWER_OF_NOTHING)
        floor_dbfs = np.minimum(level_dbfs, self._floor_dbfs[slots] + FLOOR_RISE_DB)
        self._floor_dbfs[slots] = np.maximum(floor_dbfs, MIN_FLOOR_DBFS)
        return level_dbfs, self._floor_dbfs[slots]


def tilt_db(pcm: Batch) -> Floats:
    """Power from 2.5 to 8 kHz against that from 200 Hz to 2 kHz: float64 [B].

    Args:
        pcm: float32 [B, 1920] at 24 kHz, finite.
    """
    power = np.square(np.abs(np.fft.rfft(pcm * _WINDOW, axis=1)))
    low, high = (power[:, slice(*_bins(band_hz))].sum(axis=1) for band_hz in (LOW_HZ, HIGH_HZ))
    return np.asarray(10 * np.log10((high + _POWER_OF_NOTHING) / (low + _POWER_OF_NOTHING)))


_WINDOW = np.hanning(FRAME_SAMPLES).astype(np.float32)


def _bins(band_hz: tuple[int, int]) -> tuple[int, int]:
    first, last = (hz * FRAME_SAMPLES // SAMPLE_RATE_HZ for hz in band_hz)
    return first, last
