"""How an agent's voice changes around an overlap: pace, pitch, loudness, before it and after.

Pitch and loudness are Praat's, if `praat-parselmouth` is installed; without it they stay unknown.

Source: Full-Duplex-Bench v1.5 (arXiv 2507.23159), general measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from voiceagent.audio.framing import Samples
from voiceagent.bench.transcript import TimedWord

_STEP_S = 0.01
_LOWEST_HZ, _HIGHEST_HZ = 50.0, 600.0
#: What Praat gives for frames of zeros lies below; they are not loudness.
_NOTHING_DB = -200.0
#: What lies outside these percentiles is left out of a mean.
_KEPT = (5, 95)


@dataclass(frozen=True, slots=True)
class Prosody:
    """Of one piece of sound; None where it cannot be known.

    Attributes:
        wpm: words a minute.
        pitch_hz: mean over voiced frames.
        pitch_spread_hz: their standard deviation, of a sample.
        intensity_db: mean.
        intensity_spread_db: likewise.
    """

    wpm: float | None = None
    pitch_hz: float | None = None
    pitch_spread_hz: float | None = None
    intensity_db: float | None = None
    intensity_spread_db: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """A part of the sample's row."""
        return asdict(self)


MEASURE_TITLES = {
    "wpm": "Pace, words a minute",
    "pitch_hz": "Pitch, Hz",
    "pitch_spread_hz": "Pitch, spread, Hz",
    "intensity_db": "Loudness, dB",
    "intensity_spread_db": "Loudness, spread, dB",
}
MEASURES = tuple(MEASURE_TITLES)
#: Of the official measures the one that is not here.
NO_QUALITY = "not measured: needs UTMOSv2's weights, which no package registry has"


def words_per_minute(words: Sequence[TimedWord]) -> float | None:
    """Words over the time from the first one's start to the last one's end; None of no time."""
    duration_s = words[-1].last_s - words[0].start_s if words else 0.0
    return len(words) / duration_s * 60 if duration_s > 0 else None


def split_at(words: Sequence[TimedWord], overlap_end_s: float) -> float:
    """When what belongs to the time before an overlap's end goes over into what comes after it.

    Returns:
        The start of the first word that begins after the overlap's end or is being said then; or
        the last word's end, where there is none. A word belongs before if it ends by that time.
    """
    later = (word.start_s for word in words if word.last_s > overlap_end_s)
    return next(later, words[-1].last_s if words else overlap_end_s)


def is_praat_installed() -> bool:
    """Whether pitch and loudness can be measured."""
    import importlib.util

    return importlib.util.find_spec("parselmouth") is not None


def measure(speech: Samples, rate_hz: int, words: Sequence[TimedWord]) -> Prosody:
    """Measure a piece.

    Args:
        speech: f32[N] with the silences cut out.
        rate_hz: its rate.
        words: said in it.
    """
    wpm = words_per_minute(words)
    # Praat needs a few periods of the lowest pitch
    if len(speech) < rate_hz * 4 / _LOWEST_HZ or not is_praat_installed():
        return Prosody(wpm=wpm)
    import parselmouth

    sound = parselmouth.Sound(speech.astype(np.float64), rate_hz)
    pitch = sound.to_pitch(_STEP_S, _LOWEST_HZ, _HIGHEST_HZ).selected_array["frequency"]
    loudness = sound.to_intensity(time_step=_STEP_S).values.ravel()
    loudness = loudness[loudness > _NOTHING_DB]
    pitch_hz, pitch_spread_hz = _mean_and_spread(pitch[pitch > 0])
    intensity_db, intensity_spread_db = _mean_and_spread(loudness)
    return Prosody(wpm, pitch_hz, pitch_spread_hz, intensity_db, intensity_spread_db)


def trimmed_mean(values: Sequence[float]) -> float | None:
    """The mean of what lies between the 5th and the 95th percentile; None where nothing does.

    That is so of two values that differ, as officially.
    """
    if not len(values):
        return None
    ordered = np.asarray(values, np.float64)
    low, high = np.percentile(ordered, _KEPT)
    kept = ordered[(ordered >= low) & (ordered <= high)]
    return float(kept.mean()) if len(kept) else None


def _mean_and_spread(values: np.ndarray) -> tuple[float | None, float | None]:
    if not len(values):
        return None, None
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return float(np.mean(values)), spread
