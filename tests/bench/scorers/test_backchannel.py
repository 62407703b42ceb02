"""Backchannels: verdict, frequency and placement, on hand-made stretches."""

import math

import numpy as np
import pytest

from voiceagent.bench.rules import CORRECTED, UPSTREAM_PR12
from voiceagent.bench.scorers.backchannel import (
    distance,
    is_backchannel,
    jensen_shannon,
    judge,
    placement,
)

EVENLY = np.full(100, 0.01)


def test_short_with_two_words_is_a_backchannel(words):
    assert is_backchannel((2.0, 2.9), words((2.0, 2.3), (2.4, 2.8)))


def test_three_words_or_a_second_are_none(words):
    assert not is_backchannel((2.0, 2.9), words((2.0, 2.2), (2.3, 2.5), (2.6, 2.8)))
    assert not is_backchannel((2.0, 3.0), ())


def test_words_over_either_end_count_and_others_do_not(words):
    inside = words((1.5, 2.1), (2.3, 2.5), (2.8, 3.5))
    assert not is_backchannel((2.0, 2.9), inside)
    assert is_backchannel((2.0, 2.9), words((0.0, 1.9), (2.3, 2.5), (3.1, 3.3), (5.0, 6.0)))


def test_nothing_said_is_no_takeover_at_the_greatest_distance():
    found = judge([], (), 20.0, EVENLY, CORRECTED)
    assert (found.is_takeover, found.per_s, found.distance) == (False, 0.0, 1.0)


def test_officially_the_last_verdict_counts_so_a_yeah_mends_a_takeover():
    stretches = [(2.0, 4.0), (8.0, 8.5)]
    assert not judge(stretches, (), 20.0, None, UPSTREAM_PR12).is_takeover
    assert judge(stretches, (), 20.0, None, CORRECTED).is_takeover


def test_officially_takeovers_are_counted_as_backchannels():
    stretches = [(2.0, 4.0), (8.0, 8.5)]
    assert judge(stretches, (), 20.0, None, UPSTREAM_PR12).per_s == 2 / 20
    assert judge(stretches, (), 20.0, None, CORRECTED).stretches == ((8.0, 8.5),)


def test_officially_more_than_three_seconds_end_the_search():
    stretches = [(1.0, 1.5), (2.0, 5.1), (8.0, 8.5)]
    found = judge(stretches, (), 20.0, None, UPSTREAM_PR12)
    assert found.is_takeover
    assert found.stretches == ((1.0, 1.5),)


def test_in_ours_talking_takes_over_and_what_follows_is_still_counted():
    found = judge([(2.0, 5.1), (8.0, 8.5)], (), 20.0, None, CORRECTED)
    assert found.is_takeover
    assert found.stretches == ((8.0, 8.5),)


def test_distance_is_unknown_without_the_distribution_of_people():
    assert judge([(8.0, 8.5)], (), 20.0, None, CORRECTED).distance is None


def test_placement_gives_every_window_that_a_stretch_touches_the_same():
    found = placement([(0.3, 0.7)], 1.0)
    assert len(found) == 6
    assert np.argwhere(found > 0.1).ravel().tolist() == [1, 2, 3]
    assert found.sum() == pytest.approx(1)


def test_distance_is_least_where_people_do_it():
    people = placement([(4.0, 5.0)], 20.0)
    assert distance([(4.0, 5.0)], people, 20.0) == pytest.approx(0, abs=1e-6)
    assert distance([(15.0, 16.0)], people, 20.0) == pytest.approx(math.sqrt(math.log(2)), 1e-3)


def test_distance_stretches_the_distribution_to_the_recording():
    people = placement([(4.0, 5.0)], 20.0)
    assert distance([(2.0, 2.5)], people, 10.0) < 0.45


def test_jensen_shannon_agrees_with_scipy():
    spatial = pytest.importorskip("scipy.spatial.distance")
    rng = np.random.default_rng(1)
    one, other = rng.random(50), rng.random(50)
    assert jensen_shannon(one, other) == pytest.approx(spatial.jensenshannon(one, other))


def test_the_row_has_the_counts():
    row = judge([(8.0, 8.5)], (), 20.0, None, CORRECTED).to_json()
    assert row == {
        "backchannel_takeover": False,
        "backchannels": 1,
        "backchannels_per_s": 0.05,
        "backchannel_jsd": None,
    }
