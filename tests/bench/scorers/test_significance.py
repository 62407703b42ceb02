"""Paired tests, against SciPy's."""

import numpy as np
import pytest

from voiceagent.bench.scorers.significance import (
    changes,
    holm,
    incomplete_beta,
    paired_t,
    t_probability,
    without_outliers,
)


@pytest.mark.parametrize("degrees", [1, 2, 7, 60, 400])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.9, -4.2, 30.0])
def test_probability_is_students(t, degrees):
    stats = pytest.importorskip("scipy.stats")
    assert t_probability(t, degrees) == pytest.approx(2 * stats.t.sf(abs(t), degrees), rel=1e-9)


def test_incomplete_beta_at_its_ends():
    assert (incomplete_beta(0, 2, 3), incomplete_beta(1, 2, 3)) == (0, 1)


def test_the_paired_test_agrees_with_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(3)
    before, after = rng.normal(100, 10, 40), rng.normal(104, 10, 40)
    found = paired_t(list(zip(before, after, strict=True)))
    assert found.n == 40
    assert (found.t, found.p) == pytest.approx(tuple(stats.ttest_rel(after, before)))


def test_an_outlier_of_the_differences_is_left_out():
    values = np.array([1.0, 1.2, 0.9, 1.1, 50.0])
    assert without_outliers(values).tolist() == [1.0, 1.2, 0.9, 1.1]


def test_differences_that_are_mostly_equal_keep_all():
    assert len(without_outliers(np.array([1.0, 1.0, 1.0, 9.0]))) == 4


def test_nothing_one_and_equal_pairs_have_no_statistic():
    assert paired_t([]).n == 0
    assert paired_t([(1, 2)]).p is None
    assert paired_t([(1, 2), (3, 4)]).t is None


def test_zeros_and_missing_values_are_left_out():
    pairs = [(None, 1.0), (0.0, 1.0), (50.0, 60.0), (51.0, 62.0)]
    assert changes({"wpm": pairs})["wpm"].n == 2


def test_a_level_may_be_zero_but_not_silence():
    pairs = [(0.0, 10.0), (-200.0, 60.0), (50.0, 60.0), (51.0, 62.0)]
    assert changes({"intensity_db": pairs})["intensity_db"].n == 3


def test_holms_adjustment_never_decreases():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_every_measure_gets_the_adjustment_for_all():
    pairs = [(1.0, 2.0), (1.0, 2.5), (1.0, 1.9)]
    found = changes({"wpm": pairs, "pitch_hz": pairs, "none": []})
    assert found["wpm"].p_holm == pytest.approx(2 * found["wpm"].p)
    assert found["none"].to_json()["p_holm"] is None
