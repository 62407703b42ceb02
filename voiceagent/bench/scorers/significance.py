"""Whether a measure changed between two pieces of the same recordings: a paired t test.

Student's distribution is computed here: the bench needs no SciPy.

Source: Full-Duplex-Bench v1.5 (arXiv 2507.23159), significance script; it prints unadjusted
probabilities although it computes Holm's: both are given here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

#: Differences further from the median than this many scaled deviations are left out.
OUTLIER = 3.5
_MAD_SCALE = 1.4826
_SILENT_DB = -190.0
_ITERATIONS, _TINY, _PRECISION = 300, 1e-300, 1e-15


@dataclass(frozen=True, slots=True)
class Change:
    """One measure.

    Attributes:
        n: pairs that were used.
        mean: of second - first.
        t: statistic of the paired test; None of fewer than two pairs or no spread.
        p: two-sided, unadjusted.
        p_holm: adjusted for all measures that were tested with it.
    """

    n: int
    mean: float | None = None
    t: float | None = None
    p: float | None = None
    p_holm: float | None = None

    def to_json(self) -> dict[str, float | int | None]:
        """A part of the summary."""
        return asdict(self)


def changes(pairs: Mapping[str, Sequence[tuple[float | None, float | None]]]) -> dict[str, Change]:
    """Test every measure.

    Args:
        pairs: name of a measure -> its values before and after, a pair a recording; pairs with a
            missing value, a zero (of a level: that of silence) are left out.
    """
    tested = {name: paired_t(_usable(name, values)) for name, values in pairs.items()}
    known = {name: change.p for name, change in tested.items() if change.p is not None}
    adjusted = dict(zip(known, holm(list(known.values())), strict=True))
    return {
        name: Change(change.n, change.mean, change.t, change.p, adjusted.get(name))
        for name, change in tested.items()
    }


def paired_t(pairs: Sequence[tuple[float, float]]) -> Change:
    """Paired t test of second - first, without outliers of the differences."""
    differences = without_outliers(np.array([b - a for a, b in pairs], np.float64))
    n = len(differences)
    if not n:
        return Change(0)
    mean = float(differences.mean())
    spread = float(differences.std(ddof=1)) if n > 1 else 0.0
    if not spread:
        return Change(n, mean)
    t = mean / (spread / math.sqrt(n))
    return Change(n, mean, t, t_probability(t, n - 1))


def without_outliers(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Values within 3.5 scaled median absolute deviations of the median; all where that is 0."""
    if not len(values):
        return values
    far = np.abs(values - np.median(values))
    scale = _MAD_SCALE * float(np.median(far))
    return values[far <= OUTLIER * scale] if scale else values


def holm(probabilities: Sequence[float]) -> list[float]:
    """Probabilities adjusted for their number.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted, highest = [0.0] * len(probabilities), 0.0
    order = sorted(range(len(probabilities)), key=lambda i: probabilities[i])
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * probabilities[index]))
        adjusted[index] = highest
    return adjusted


def t_probability(t: float, degrees: int) -> float:
    """Two-sided probability of Student's t.

    Source: Abramowitz and Stegun, 26.7.1, by the incomplete beta function.
    """
    return incomplete_beta(degrees / (degrees + t * t), degrees / 2, 0.5)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), 0 <= x <= 1.

    Source: Abramowitz and Stegun, 26.5.8, the continued fraction by Lentz's method.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _ITERATIONS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = fraction
        for term in (even, odd):
            d, c = 1 / _not_zero(1 + term * d), _not_zero(1 + term / c)
            fraction *= d * c
        if abs(fraction - before) <= _PRECISION * abs(fraction):
            break
    return front * fraction


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _usable(
    name: str, values: Sequence[tuple[float | None, float | None]]
) -> list[tuple[float, float]]:
    is_level = name == "intensity_db"

    def is_known(value: float | None) -> bool:
        return value is not None and (value > _SILENT_DB if is_level else value != 0)

    return [(a, b) for a, b in values if is_known(a) and is_known(b)]  # type: ignore[misc]
