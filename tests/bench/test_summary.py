"""Summaries: rates over rows, what is missing, and whether the run is whole."""

import pytest

from voiceagent.bench.fdb import FDB_V1, FDB_V15
from voiceagent.bench.folder import Plan
from voiceagent.bench.rules import CORRECTED
from voiceagent.bench.summary import columns_of, summarise, voice_summary

TASKS = {task.name: task for task in FDB_V1}
PLAN = Plan(suite="fdb-v1", data="/d", keys=("candor_turn_taking/1",), target={"target": "x"})


def row(sample="1", status="done", **values):
    scores = {"missing": {}, "offsets_ms": [], "is_good": None, "right_censored": False}
    return {
        "task": "candor_turn_taking",
        "id": sample,
        "status": status,
        "reason": "",
        **scores,
        **values,
    }


def summary(*rows, tasks=TASKS):
    return summarise(PLAN, tasks, rows, CORRECTED, [])


def test_a_rate_is_over_what_was_scored():
    rows = row("1", takeover=True, latency_s=0.5), row("2", takeover=False), row("3", "failed")
    task = summary(*rows)["tasks"]["candor_turn_taking"]
    assert (task["planned"], task["scored"], task["failed"]) == (3, 2, 1)
    assert task["numbers"]["tor"]["value"] == 0.5
    assert (task["numbers"]["latency_s"]["value"], task["numbers"]["latency_s"]["n"]) == (0.5, 1)


def test_where_nobody_takes_a_turn_the_latency_is_missing_and_nothing_breaks():
    numbers = summary(row(takeover=False, latency_s=None))["tasks"]["candor_turn_taking"]["numbers"]
    assert numbers["tor"]["value"] == 0
    assert numbers["latency_s"] == {"value": None, "low": None, "high": None, "n": 0}


@pytest.mark.parametrize("status", ["failed", "not run"])
def test_a_run_with_a_recording_missing_is_not_whole(status):
    assert summary(row("1"))["is_whole"] is True
    assert summary(row("1"), row("2", status))["is_whole"] is False


def test_reasons_are_counted():
    rows = row("1", missing={"words": "none"}), row("2", missing={"words": "none"})
    assert summary(*rows)["tasks"]["candor_turn_taking"]["missing"] == {"none": 2}


def test_the_distance_to_people_is_over_all_offsets():
    rows = [row(str(i), offsets_ms=[175 + 10 * i]) for i in range(5)]
    found = summary(*rows)["tasks"]["candor_turn_taking"]["numbers"]["people_distance_s"]
    assert found["n"] == 5
    assert found["value"] == pytest.approx(0.26, abs=0.02)


def test_tags_are_shares_of_what_was_judged():
    tasks = {task.name: task for task in FDB_V15}
    rows = [
        row(str(i), task="user_interruption", behaviour=tag)
        for i, tag in enumerate(["respond", "resume", None])
    ]
    numbers = summary(*rows, tasks=tasks)["tasks"]["user_interruption"]["numbers"]
    assert (numbers["respond"]["value"], numbers["respond"]["n"]) == (0.5, 2)


def test_every_task_has_the_common_columns_once():
    names = [column.name for column in columns_of(("interruption", "overlap"))]
    assert len(names) == len(set(names))
    assert {"tor", "respond", "good", "right_censored"} <= set(names)


def test_the_voice_is_compared_only_where_the_overlap_was_responded_to():
    pieces = {"pre": {"wpm": 100.0}, "post": {"wpm": 120.0}}
    rows = [row(behaviour=tag, prosody=pieces) for tag in ("respond", "respond", "resume", None)]
    changes = voice_summary(rows)["changes"]
    assert changes["pre to post"]["wpm"]["n"] == 2
    assert changes["clean to post"]["wpm"]["n"] == 0


def test_the_voice_in_the_clean_twin_is_compared_with_what_follows_the_overlap():
    pieces = {"pre": {}, "post": {"pitch_hz": 210.0}, "clean": {"pitch_hz": 200.0}}
    rows = [row(behaviour="respond", prosody=pieces), row(behaviour="resume", prosody=pieces)]
    found = voice_summary(rows)
    assert found["means"]["clean"]["pitch_hz"] == 200
    assert found["means"]["pre"]["pitch_hz"] is None
    assert found["changes"]["clean to post"]["pitch_hz"]["mean"] == 10


def test_the_same_rows_give_the_same_summary():
    rows = [row(str(i), takeover=bool(i % 3), latency_s=i / 7) for i in range(9)]
    assert summary(*rows) == summary(*rows)
