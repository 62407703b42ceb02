"""How somebody pronounces: what tells natural voices apart that timbre and pitch do not.

Every vowel and consonant has a colour and a length of its own, sounds run into each other, are less
or more distinct, quiet ones quieter. A recogniser that has heard one person's articulation in many
timbres knows none of this; figures are in `voiceagent/training/README.md`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

# a frame is speech down to so far below the loudest ones, and dynamics reach as far (nepers)
_SPEECH_RANGE = 4.0
_LOUDEST_PERCENTILE = 95
# a Gaussian ends after so many of its widths
_WIDTHS = 3.0
# where a sound's resonances are moved and its colour is set, in Hz of bins of 20 Hz
_BIN_HZ = 20.0
_SHIFT_KNOTS_HZ = (0, 500, 1100, 2000, 3200, 5000, 12000)
_COLOUR_KNOTS_HZ = (0, 400, 900, 1500, 2300, 3300, 4600, 6500, 9000, 12000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """Of one speaker.

    Attributes:
        distinctness: factor on how far spectra are from their mean; below 1 is mumbled.
        blur_frames: width of the Gaussian by which sounds run into each other.
        dynamics: factor on how far below the loudest sounds the quieter ones are.
        rhythm: standard deviation of the logarithm of a factor on the length of every sound.
        accent: the same of a factor on the frequency of every sound's resonances.
        colour: standard deviation of what is added to levels of every sound, in nepers.
    """

    distinctness: float = 1.0
    blur_frames: float = 0.0
    dynamics: float = 1.0
    rhythm: float = 0.0
    accent: float = 0.0
    colour: float = 0.0

    def articulate(
        self, levels: Sequence[F32], starts: Sequence[int], rng: np.random.Generator
    ) -> list[F32]:
        """Apply all but the rhythm.

        Args:
            levels: parts of a sentence, log spectra [bins, F] each (nepers).
            starts: frame in which each symbol begins, rising.
            rng: where accent and colour come from.

        Returns:
            What became of each.
        """
        num_bins, num_frames = levels[0].shape
        edges = _edges(starts, num_frames)
        sound_of = np.searchsorted(edges, np.arange(num_frames), side="right") - 1

        def draw(knots_hz: Sequence[int], deviation: float) -> NDArray[np.float64]:
            """Smooth curves over the bins, one per sound: [bins, F]."""
            drawn = deviation * rng.standard_normal((len(edges) - 1, len(knots_hz)))
            hz = np.arange(num_bins) * _BIN_HZ
            curves = np.stack([np.interp(hz, knots_hz, each) for each in drawn], 1)
            return np.asarray(curves[:, sound_of])

        shift = np.exp(draw(_SHIFT_KNOTS_HZ, self.accent))
        source = np.asarray(np.arange(num_bins)[:, None] * shift, np.float64)
        loudness = np.logaddexp.reduce(np.concatenate(levels))
        below = loudness - np.percentile(loudness, _LOUDEST_PERCENTILE)
        gain = (self.dynamics - 1) * np.clip(below, -_SPEECH_RANGE, 0)
        gain = gain + draw(_COLOUR_KNOTS_HZ, self.colour)
        is_speech = below > -_SPEECH_RANGE
        changed = []
        for level in levels:
            mean = level[:, is_speech].mean(1, keepdims=True)
            away = np.where(is_speech, (self.distinctness - 1) * (level - mean), 0.0)
            moved = _at(np.asarray(level + away, np.float64), source) + gain
            changed.append(_blurred(moved, self.blur_frames).astype(np.float32))
        return changed

    def retime(
        self, starts: Sequence[int], num_frames: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Give every sound its own time.

        Args:
            starts: frame in which each symbol begins, rising.
            num_frames: of the sentence.
            rng: where the lengths come from.

        Returns:
            Which frames to play.
        """
        edges = _edges(starts, num_frames)
        frames = []
        for first, end in itertools.pairwise(edges):
            factor = np.exp(self.rhythm * rng.standard_normal())
            length = max(1, round(float((end - first) * factor)))
            frames.append(first + np.arange(length) * (end - first) // length)
        return np.concatenate(frames).astype(np.int64)


def random_manner(rng: np.random.Generator) -> Manner:
    """Draw how somebody speaks; rather less clearly than more."""
    return Manner(
        distinctness=rng.uniform(0.72, 1.15),
        blur_frames=max(0.0, rng.uniform(-0.8, 2.2)),
        dynamics=rng.uniform(0.6, 1.4),
        rhythm=rng.uniform(0.0, 0.4),
        accent=rng.uniform(0.0, 0.12),
        colour=rng.uniform(0.0, 0.5),
    )


def _edges(starts: Sequence[int], num_frames: int) -> NDArray[np.int64]:
    """Where sounds begin, and where the last one ends."""
    return np.unique(np.clip([0, *starts, num_frames], 0, num_frames))


def _at(level: NDArray[np.float64], source: NDArray[np.float64]) -> NDArray[np.float64]:
    """Read [bins, F] at places between the bins, in each frame others."""
    source = np.clip(source, 0, len(level) - 1.001)
    low = source.astype(int)
    share = source - low
    below, above = (np.take_along_axis(level, at, 0) for at in (low, low + 1))
    return np.asarray(below * (1 - share) + above * share)


def _blurred(level: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Convolve the frames of [bins, F] with a Gaussian."""
    reach = int(np.ceil(_WIDTHS * width))
    if reach == 0:
        return level
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / width))
    padded = np.pad(level, ((0, 0), (reach, reach)), mode="edge")
    taps = zip(kernel / kernel.sum(), range(len(kernel)), strict=True)
    return np.asarray(sum(tap * padded[:, i : i + level.shape[1]] for tap, i in taps))
