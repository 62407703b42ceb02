"""Numbers over recordings, each with its 95 % interval and of how many it is.

A share of yes and no has Wilson's interval, which has a width at 0 and 1 too; a mean is drawn again
and again from its own values. The same values give the same interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voiceagent.records.figures import Rate

DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number over recordings.

    Attributes:
        value: None of nothing.
        low: of its 95 % interval; None of fewer than two.
        high: likewise.
        n: recordings that it is made of.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """Four decimals."""
        return {
            "value": _rounded(self.value),
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "n": self.n,
        }


def share(verdicts: Sequence[bool | None]) -> Estimate:
    """The share of yes; recordings without a verdict are left out.

    Source: Wilson's interval; see `voiceagent.records.figures.Rate`.
    """
    known = [bool(verdict) for verdict in verdicts if verdict is not None]
    rate = Rate(sum(known), len(known))
    low, high = rate.interval or (None, None)
    return Estimate(rate.value, low, high, rate.of)


def mean(values: Sequence[float | None]) -> Estimate:
    """The mean of what is known, with the percentile bootstrap's interval."""
    return bootstrap(values, lambda drawn: drawn.mean(axis=-1))


def median(values: Sequence[float | None]) -> Estimate:
    """The median of what is known, likewise."""
    return bootstrap(values, lambda drawn: np.median(drawn, axis=-1))


def bootstrap(values: Sequence[float | None], statistic: Callable[[Any], Any]) -> Estimate:
    """A statistic over the last axis, with the interval of 2000 draws from the same values.

    Source: Efron, "Bootstrap methods", 1979; percentile intervals, fixed seed.
    """
    known = np.array([value for value in values if value is not None], np.float64)
    if not len(known):
        return Estimate(None, None, None, 0)
    value = float(statistic(known))
    if len(known) == 1:
        return Estimate(value, None, None, 1)
    drawn = np.random.default_rng(0).integers(len(known), size=(DRAWS, len(known)))
    low, high = np.percentile(statistic(known[drawn]), (2.5, 97.5))
    return Estimate(value, float(low), float(high), len(known))


def difference(
    before: Sequence[float | bool | None], after: Sequence[float | bool | None]
) -> Estimate:
    """The mean of after - before of the same recordings, those that are known in both."""
    return mean(
        [
            None if a is None or b is None else float(b) - float(a)
            for a, b in zip(before, after, strict=True)
        ]
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
