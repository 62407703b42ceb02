"""Counts with intervals, percentiles, and the distance to how people time their turns.

Pure arithmetic on plain numbers. Nothing here knows what was counted.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

#: Half-width of a 95 % interval in standard deviations.
Z_95 = 1.959964

#: Floor-transfer offsets between people, ms: from the end of one's turn to the start of the next's.
#: A stand-in, not a measured distribution: the normal distribution that meets what Levinson and
#: Torreira report over several corpora (Frontiers in Psychology 6:731, 2015): 51 to 55 % of the
#: transfers below 200 ms, the mode between 100 and 200 ms, the median *gap* of telephone corpora
#: 264 to 347 ms. It has 53 %, 175 ms and 303 ms.
HUMAN_OFFSETS = statistics.NormalDist(mu=175.0, sigma=330.0)
HUMAN_SOURCE = (
    "normal distribution, mean 175 ms, standard deviation 330 ms, set to the summary figures of "
    "Levinson and Torreira, Frontiers in Psychology 6:731 (2015): a stand-in, not measured data"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many.

    Attributes:
        count: how often it went as wanted.
        of: how often it could have.
    """

    count: int
    of: int

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: more than all, or fewer than none.
        """
        if not 0 <= self.count <= self.of:
            raise ValueError(f"count: {self.count} of {self.of}")

    @property
    def value(self) -> float | None:
        """The share, 0 .. 1, or None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share, or None of nothing.

        Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927).
        """
        if not self.of:
            return None
        share, spread = self.count / self.of, Z_95**2 / self.of
        centre = (share + spread / 2) / (1 + spread)
        half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
        return max(0.0, centre - half), min(1.0, centre + half)

    def to_json(self) -> dict[str, Any]:
        """Count, total, share and interval."""
        low, high = self.interval or (None, None)
        return {
            "count": self.count,
            "of": self.of,
            "share": _rounded(self.value),
            "low": _rounded(low),
            "high": _rounded(high),
        }

    def __str__(self) -> str:
        return f"{self.count}/{self.of}" if self.of else "-"


def pooled(rates: Sequence[Rate]) -> Rate:
    """All of them as one."""
    return Rate(sum(rate.count for rate in rates), sum(rate.of for rate in rates))


def percentile(values: Sequence[int], which: int) -> int | None:
    """A percentile, interpolated, rounded to whole numbers; None of nothing."""
    return round(float(np.percentile(values, which))) if len(values) else None


def human_distance_ms(offsets_ms: Sequence[int]) -> int | None:
    """Wasserstein-1 distance between offsets and `HUMAN_OFFSETS`: 0 is as people do.

    The area between the two quantile functions, at 2000 points: how far, on average, an offset
    would have to be moved. None of nothing.
    """
    if not len(offsets_ms):
        return None
    ranks = (np.arange(2000) + 0.5) / 2000
    ordered = np.sort(np.asarray(offsets_ms, np.float64))
    ours = ordered[np.minimum((ranks * len(ordered)).astype(int), len(ordered) - 1)]
    human = np.array([HUMAN_OFFSETS.inv_cdf(float(rank)) for rank in ranks])
    return round(float(np.abs(ours - human).mean()))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
