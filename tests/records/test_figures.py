import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.records import figures
from voiceagent.records.figures import Rate, human_distance_ms, percentile, pooled


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (100, 100, 0.9630, 1.0),
        (1, 2, 0.0945, 0.9055),
    ],
)
def test_interval_is_wilsons(count, of, low, high):
    assert Rate(count, of).interval == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_lies_around_the_share_and_within_0_to_1(pair):
    rate = Rate(*pair)
    low, high = rate.interval
    assert 0 <= low <= rate.value + 1e-12
    assert rate.value - 1e-12 <= high <= 1


def test_rate_of_nothing_is_no_number():
    rate = Rate(0, 0)
    assert (rate.value, rate.interval, str(rate)) == (None, None, "-")
    assert rate.to_json() == {"count": 0, "of": 0, "share": None, "low": None, "high": None}


@pytest.mark.parametrize("pair", [(2, 1), (-1, 1)])
def test_rate_of_more_than_all_is_refused(pair):
    with pytest.raises(ValueError, match="count"):
        Rate(*pair)


def test_pooled_rates_add_up():
    assert pooled([Rate(1, 2), Rate(0, 0), Rate(3, 3)]) == Rate(4, 5)


def test_percentile_of_nothing_is_none():
    assert percentile([], 50) is None
    assert (percentile([100, 300], 50), percentile([7], 95)) == (200, 7)


def test_human_reference_meets_the_figures_it_was_set_to():
    human = figures.HUMAN_OFFSETS
    assert 0.51 <= human.cdf(200) <= 0.55
    assert 100 <= human.mean <= 200
    gap_median = human.inv_cdf(human.cdf(0) + (1 - human.cdf(0)) / 2)
    assert 264 <= gap_median <= 347


def test_distance_of_a_human_sample_is_small_and_of_a_shifted_one_is_the_shift():
    human = [round(v) for v in figures.HUMAN_OFFSETS.samples(4000, seed=1)]
    assert human_distance_ms(human) < 25
    assert human_distance_ms([v + 1000 for v in human]) == pytest.approx(1000, abs=25)


def test_distance_of_one_offset_is_its_mean_distance_to_the_reference():
    # of a normal distribution: sigma * sqrt(2 / pi) from its own mean
    at_mean = human_distance_ms([round(figures.HUMAN_OFFSETS.mean)])
    assert at_mean == pytest.approx(figures.HUMAN_OFFSETS.stdev * math.sqrt(2 / math.pi), abs=2)
    assert human_distance_ms([]) is None


def test_distance_agrees_with_the_area_between_the_distribution_functions():
    offsets = [-300, 80, 80, 640, 2000]
    grid = np.arange(-4000, 4000)
    ours = np.searchsorted(np.sort(offsets), grid, side="right") / len(offsets)
    human = np.array([statistics.NormalDist(175, 330).cdf(float(t)) for t in grid])
    assert human_distance_ms(offsets) == pytest.approx(np.abs(ours - human).sum(), abs=2)
