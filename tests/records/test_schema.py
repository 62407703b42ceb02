import dataclasses
import json

import pytest

from voiceagent.errors import RecordError
from voiceagent.records.schema import SessionSummary, TraceFrame, TurnTrace
from voiceagent.records.store import RecordStore


@pytest.fixture
def values(record_one):
    folder = record_one().folder
    return json.loads((folder / "session.json").read_text())


def test_summary_survives_json(values, tmp_path):
    summary = SessionSummary.from_json(values, "file")
    assert summary == RecordStore(tmp_path).summary(summary.header.id)
    assert json.loads(json.dumps(summary.to_json())) == values


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schema_version": 3}, "schema version 3, this program reads 1 and 2"),
        ({"header": 3}, "does not fit"),
        ({"colour": 1}, "colour"),
        ({"axes": {"labels": "estimated"}}, "axes do not fit"),
    ],
)
def test_summary_that_does_not_fit_names_the_file_and_the_reason(values, change, problem):
    with pytest.raises(RecordError, match=f"^file: .*{problem}"):
        SessionSummary.from_json({**values, **change}, "file")


def test_summary_that_is_no_object_says_so():
    with pytest.raises(RecordError, match="holds no object"):
        SessionSummary.from_json([], "file")


def test_summary_of_version_1_is_read_and_has_no_axes(values):
    del values["axes"]
    values |= {"schema_version": 1, "user_turns": 2, "agent_turns": 1, "gaps_ms": [400]}
    values |= {"overlap_ms": 160, "talk_share": 0.455}
    summary = SessionSummary.from_json(values, "file")
    assert (summary.axes, summary.words_said) == (None, 10)


def test_summary_of_this_version_does_without_the_counts_of_version_1(values):
    with pytest.raises(RecordError, match="gaps_ms"):
        SessionSummary.from_json({**values, "gaps_ms": []}, "file")


def test_frame_without_turn_taking_is_written_without_it(make_frame):
    frame = make_frame(3)
    assert "turn" not in frame.to_json()
    assert TraceFrame.from_json(frame.to_json()) == frame


TURN = TurnTrace(
    policy="on",
    row={
        "observation": {"p_user": 0.1, "p_eot": 0.7, "heard_frames": 5},
        "decision": {"state": "take", "reason": "turn_end", "pad_bias_nats": -2.5, "audio": "pass"},
    },
)


def test_frame_with_turn_taking_survives_json(make_frame):
    frame = make_frame(3, turn=TURN)
    assert TraceFrame.from_json(json.loads(json.dumps(frame.to_json()))) == frame


def test_turn_trace_reads_what_the_policy_wrote():
    assert (TURN.state, TURN.reason, TURN.bias_nats, TURN.audio) == (
        "take",
        "turn_end",
        -2.5,
        "pass",
    )
    assert (TURN.p_user, TURN.p_eot, TURN.heard_ms) == (0.1, 0.7, 400)
    assert (TURN.is_on, TURN.is_gated, TURN.is_resume, TURN.events) == (True, False, False, ())


def test_turn_trace_of_nothing_knows_nothing():
    empty = TurnTrace(policy="shadow", row={"decision": {"reason": "stay"}})
    assert (empty.state, empty.reason, empty.p_user, empty.heard_ms) == (None, None, None, None)


def test_events_of_a_frame_are_kept_and_left_out_where_there_are_none(make_frame):
    frame = dataclasses.replace(make_frame(0), events=("dtmf 5",))
    assert TraceFrame.from_json(json.loads(json.dumps(frame.to_json()))) == frame
    assert "events" not in make_frame(0).to_json()
