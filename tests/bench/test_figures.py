"""Numbers with intervals."""

import pytest

from voiceagent.bench.figures import difference, mean, median, share


def test_a_share_of_none_and_of_all_has_an_interval_with_a_width():
    found = share([False] * 10)
    assert (found.value, found.n) == (0, 10)
    assert found.high > 0.2
    assert share([True] * 10).low < 0.8


def test_what_is_not_known_is_left_out():
    assert share([True, None, False]).n == 2
    assert mean([1.0, None, 3.0]).value == 2


def test_nothing_has_no_value_and_one_no_interval():
    assert mean([]).to_json() == {"value": None, "low": None, "high": None, "n": 0}
    assert share([None]).value is None
    assert mean([2.0]).to_json() == {"value": 2.0, "low": None, "high": None, "n": 1}


def test_a_means_interval_holds_it_and_is_the_same_each_time():
    found = mean([1.0, 2.0, 3.0, 4.0])
    assert found.low < found.value < found.high
    assert mean([1.0, 2.0, 3.0, 4.0]) == found


def test_more_values_make_the_interval_narrower():
    few, many = mean([1.0, 2.0] * 5), mean([1.0, 2.0] * 50)
    assert many.high - many.low < (few.high - few.low) / 2


def test_the_median_is_not_moved_by_one_far_value():
    assert median([1.0, 2.0, 100.0]).value == 2


def test_a_difference_is_of_the_pairs_that_are_known_in_both():
    found = difference([1.0, None, 3.0], [2.0, 5.0, 5.0])
    assert (found.value, found.n) == (pytest.approx(1.5), 2)
    assert difference([True, False], [True, True]).value == 0.5
