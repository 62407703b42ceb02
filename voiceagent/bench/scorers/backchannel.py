"""Backchannels while the user holds the floor: takeovers, how often, and when compared with people.

Each stretch of the agent's sound is a backchannel if it lasts less than a second and holds at most
two words. Which verdict the recording gets, and which stretches are counted, depends on the rules.

Source: Full-Duplex-Bench (arXiv 2503.04721), section on backchanneling, as its script computes it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voiceagent.bench.rules import Rules
from voiceagent.bench.transcript import TimedWord

#: Longer than this is talking; no later stretch can mend it.
TALKING_S = 3.0
BACKCHANNEL_S, BACKCHANNEL_WORDS = 1.0, 2
#: Width of a window of the distributions.
WINDOW_S = 0.2
#: What every window gets, so that none is impossible.
_FLOOR = 1e-10
#: The distance of a recording without any backchannel, beyond the greatest other one, sqrt(ln 2).
NO_BACKCHANNEL_DISTANCE = 1.0

Stretch = tuple[float, float]
Distribution = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Backchannels:
    """What came of one recording.

    Attributes:
        is_takeover: whether the agent took the floor.
        stretches: that count as backchannels, seconds.
        per_s: how many a second of the recording.
        distance: Jensen-Shannon distance to when people do it, 0 .. 0.83 or 1; None where that is
            not known.
    """

    is_takeover: bool
    stretches: tuple[Stretch, ...]
    per_s: float
    distance: float | None

    def to_json(self) -> dict[str, Any]:
        """A part of the sample's row."""
        return {
            "backchannel_takeover": self.is_takeover,
            "backchannels": len(self.stretches),
            "backchannels_per_s": self.per_s,
            "backchannel_jsd": self.distance,
        }


def judge(
    stretches: Sequence[Stretch],
    words: Sequence[TimedWord],
    duration_s: float,
    people: Distribution | None,
    rules: Rules,
) -> Backchannels:
    """Score one recording.

    Args:
        stretches: of the agent's sound, in order, from the detector.
        words: of the agent.
        duration_s: of the recording.
        people: share of people's backchannels in each window, sums to 1; None where unknown.
        rules: which verdict counts, and which stretches.
    """
    found, counted = [], []
    for stretch in stretches:
        is_talking = stretch[1] - stretch[0] > TALKING_S
        found.append(is_talking or not is_backchannel(stretch, words))
        if is_talking and rules.last_verdict_counts:
            break
        if rules.counts_takeovers or not found[-1]:
            counted.append(stretch)
    verdicts = found[-1:] if rules.last_verdict_counts else found
    return Backchannels(
        is_takeover=any(verdicts),
        stretches=tuple(counted),
        per_s=len(counted) / duration_s if duration_s else 0.0,
        distance=None if people is None else distance(counted, people, duration_s),
    )


def is_backchannel(stretch: Stretch, words: Sequence[TimedWord]) -> bool:
    """Whether a stretch is short and holds few words."""
    start_s, end_s = stretch
    num_words = sum(_is_within(word, start_s, end_s) for word in words)
    return end_s - start_s < BACKCHANNEL_S and num_words <= BACKCHANNEL_WORDS


def distance(stretches: Sequence[Stretch], people: Distribution, duration_s: float) -> float:
    """Jensen-Shannon distance, the root of the divergence in nats, between when and when people.

    Args:
        stretches: of backchannels, seconds.
        people: share of each window; stretched to the recording's windows.
        duration_s: of the recording.

    Returns:
        0 .. sqrt(ln 2), or 1 where there is no stretch.
    """
    if not stretches:
        return NO_BACKCHANNEL_DISTANCE
    ours = placement(stretches, duration_s)
    at = np.linspace(0, 1, len(ours))
    theirs = np.interp(at, np.linspace(0, 1, len(people)), people)
    return jensen_shannon(ours, theirs)


def placement(stretches: Sequence[Stretch], duration_s: float) -> Distribution:
    """The share of each 200 ms window in the stretches that touch it; f64[N], sums to 1."""
    counts = np.zeros(int(duration_s / WINDOW_S) + 1)
    for start_s, end_s in stretches:
        counts[int(start_s / WINDOW_S) : int(end_s / WINDOW_S) + 1] += 1
    counts += _FLOOR
    return np.asarray(counts / counts.sum())


def jensen_shannon(one: Distribution, other: Distribution) -> float:
    """Square root of the Jensen-Shannon divergence in nats of two weightings of equal length.

    Source: Endres and Schindelin, IEEE Transactions on Information Theory 49 (2003).
    """
    p, q = one / one.sum(), other / other.sum()
    middle = (p + q) / 2
    return math.sqrt(max(0.0, (_divergence(p, middle) + _divergence(q, middle)) / 2))


def _divergence(p: Distribution, q: Distribution) -> float:
    some = p > 0
    return float(np.sum(p[some] * np.log(p[some] / q[some])))


def _is_within(word: TimedWord, start_s: float, end_s: float) -> bool:
    """Whether a word lies in a stretch or over one of its ends."""
    first_s, last_s = word.start_s, word.last_s
    return (
        (first_s >= start_s and last_s <= end_s)
        or (first_s <= end_s < last_s)
        or (first_s <= start_s < last_s)
    )
