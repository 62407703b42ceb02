"""The record of a session's decisions: read back as it was, decided again bit for bit."""

import dataclasses
import json
import random

import pytest

from voiceagent.errors import RecordError
from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.policy import decide
from voiceagent.turntaking.trace import TurnRow, config_from_json, diff, from_json, replay
from voiceagent.turntaking.types import TurnState


def record(config, observations):
    rows, state = [], TurnState()
    for seen in observations:
        after, decision = decide(config, state, seen)
        rows.append(TurnRow(state=state, observation=seen, decision=decision))
        state = after
    return rows


@pytest.fixture
def trace(talk):
    talk.answer()
    talk.play(3, "far", "sound")
    talk.play(12, "near", "sound")
    talk.play(80)
    return record(talk.config, talk.observations)


def test_a_row_comes_back_as_it_was(trace):
    assert [from_json(row.to_json()) for row in trace] == trace


def test_floats_come_back_to_the_last_bit(frame):
    rng = random.Random(5)
    for _ in range(200):
        seen = frame(
            p_user=rng.random(), level_dbfs=rng.uniform(-90, 0), p_epad=rng.random() * 1e-9
        )
        row = record(TurnConfig(), [seen])[0]
        assert repr(from_json(row.to_json())) == repr(row)


def test_values_that_are_no_numbers_survive(frame):
    row = record(TurnConfig(), [frame(level_dbfs=float("-inf"))])[0]
    assert from_json(row.to_json()) == row


def test_a_replay_decides_the_same(trace):
    again = [from_json(row.to_json()) for row in trace]
    assert repr(replay(again, TurnConfig())) == repr([row.decision for row in trace])
    assert diff(again, TurnConfig()) == []


def test_a_replay_from_the_middle_decides_the_same(trace):
    assert replay(trace[20:], TurnConfig()) == [row.decision for row in trace[20:]]


def test_a_replay_takes_up_again_after_rows_that_are_missing(trace):
    torn = trace[:10] + trace[30:]
    assert replay(torn, TurnConfig()) == [row.decision for row in torn]


def test_thresholds_come_back_as_they_were():
    config = TurnConfig(duck_db=-7.3, backchannel_words=("mm", "yeah"), is_gating=False)
    assert config_from_json(json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_a_threshold_that_was_not_there_yet_has_its_default():
    assert config_from_json({"duck_db": -9.0}) == TurnConfig(duck_db=-9.0)


@pytest.mark.parametrize("values", [{"colour": 1}, {"duck_db": "low"}, [1], {"duck_db": 3}])
def test_thresholds_that_cannot_be_used_are_refused_by_place(values):
    with pytest.raises(RecordError, match="session ab: thresholds that cannot be used"):
        config_from_json(values, "session ab")


def test_another_threshold_shows_where_paths_part(trace):
    found = diff(trace, dataclasses.replace(TurnConfig(), yield_after_frames=8))
    assert found[0].recorded.state == "overlap"
    assert found[0].replayed.state == "yield"


def test_an_empty_trace_decides_nothing():
    assert replay([], TurnConfig()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.update(turn_schema=3), "schema version 3"),
        (lambda row: row.pop("state"), "does not fit"),
        (lambda row: row["state"].pop("near_dbfs"), "near_dbfs"),
        (lambda row: row["decision"].update(extra=1), "extra"),
        (lambda row: row["observation"].update(text="sung"), "sung"),
        (lambda row: row.update(decision=None), "does not fit"),
    ],
)
def test_a_damaged_row_is_refused(trace, change, message):
    row = json.loads(trace[0].to_json())
    change(row)
    with pytest.raises(RecordError, match=message):
        from_json(json.dumps(row), "trace.jsonl:3")


@pytest.mark.parametrize("line", ["", "[]", "{", "null"])
def test_what_is_no_row_is_refused_by_place(line):
    with pytest.raises(RecordError, match=r"trace\.jsonl:3"):
        from_json(line, "trace.jsonl:3")
