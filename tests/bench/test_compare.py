"""Two runs, pair by pair."""

import pytest

from voiceagent.bench.compare import compare_rows, disagreements
from voiceagent.errors import BenchError


def row(sample, status="done", **values):
    return {"task": "turn", "id": sample, "status": status, **values}


def summary(**changes):
    whole = {
        "suite": "fdb-v1",
        "rules": "corrected",
        "words_from": [],
        "detector": "x",
        "judged_by": [],
    }
    return {**whole, "is_whole": True, **changes}


def test_a_difference_is_of_recordings_that_both_scored():
    first = [row("1", takeover=True), row("2", takeover=False), row("3", "failed")]
    second = [row("2", takeover=True), row("1", takeover=True), row("3", takeover=True)]
    (found,) = compare_rows(first, second)
    assert (found.title, found.first, found.second) == ("Takeover rate", 0.5, 1.0)
    assert (found.difference.value, found.difference.n) == (0.5, 2)


def test_what_one_run_does_not_know_is_left_out():
    first, second = [row("1", latency_s=None)], [row("1", latency_s=0.5)]
    assert compare_rows(first, second) == []


def test_runs_without_a_common_recording_are_refused():
    with pytest.raises(BenchError, match="no scored recording in common"):
        compare_rows([row("1")], [row("2")])


def test_the_same_settings_are_comparable():
    assert disagreements(summary(), summary()) == []


@pytest.mark.parametrize("field", ["suite", "rules", "words_from", "judged_by", "detector"])
def test_another_setting_is_named(field):
    (reason,) = disagreements(summary(), summary(**{field: "other"}))
    assert reason.startswith(f"{field}: ")


def test_a_partial_run_is_named():
    assert disagreements(summary(), summary(is_whole=False)) == ["the second run is not whole"]
