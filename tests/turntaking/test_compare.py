"""What other thresholds would have changed: counts before and after, and where paths part."""

import dataclasses

import pytest

from voiceagent.turntaking.compare import changes, compare
from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.policy import decide
from voiceagent.turntaking.trace import TurnRow
from voiceagent.turntaking.types import TurnState


@pytest.fixture
def trace(talk):
    """An answer, then an interruption of it without a word that could be understood."""
    talk.answer()
    talk.play(12, "near", "sound")
    talk.play(20, "near")
    talk.play(20)
    rows, state = [], TurnState()
    for seen in talk.observations:
        after, decision = decide(talk.config, state, seen)
        rows.append(TurnRow(state=state, observation=seen, decision=decision))
        state = after
    return rows


def patient(**thresholds):
    return dataclasses.replace(TurnConfig(), **thresholds)


def test_same_thresholds_change_nothing(trace):
    found = compare(trace, TurnConfig())
    assert (found.differences, found.num_missing) == ([], 0)
    assert found.recorded == found.replayed


def test_transitions_are_counted_with_their_reason(trace):
    found = compare(trace, TurnConfig())
    assert found.recorded.transitions["overlap", "yield", "interruption"] == 1
    assert found.recorded.transitions["take", "speak", "agent_starts"] <= 1


def test_a_later_yield_is_a_stretch_with_its_first_frame(trace):
    found = compare(trace, patient(yield_after_frames=11))
    first = found.stretches()[0].first
    assert changes(first)["state"] == ("yield", "overlap")
    assert changes(first)["reason"] == ("interruption", "stay")
    assert trace[first.frame].decision == first.recorded


def test_stretches_hold_every_difference_once(trace):
    found = compare(trace, patient(yield_after_frames=11, duck_after_frames=0))
    assert sum(stretch.frames for stretch in found.stretches()) == len(found.differences)
    assert len(found.stretches()) > 1


def test_frames_of_each_action_are_counted(trace):
    found = compare(trace, patient(duck_after_frames=0))
    ducked = [row.decision.audio for row in trace].count("duck")
    assert (found.recorded.actions["ducked"], found.replayed.actions["ducked"]) == (
        ducked,
        ducked + 1,
    )


def test_lost_rows_are_counted_and_paths_join_again_after_them(trace):
    found = compare(trace[:30] + trace[40:], TurnConfig())
    assert (found.differences, found.num_missing) == ([], 10)
    assert found.recorded == found.replayed


def test_a_transition_after_lost_rows_is_from_the_state_that_was_recorded(trace):
    yields = next(row for row in trace if row.decision.state == "yield")
    torn = [trace[0], *trace[trace.index(yields) :]]
    after = torn[1]
    counts = compare(torn, TurnConfig()).replayed.transitions
    assert (torn[0].decision.state, after.state.state) == ("start", "overlap")
    assert counts[after.state.state, after.decision.state, after.decision.reason] == 1


def test_nothing_recorded_is_nothing_changed():
    found = compare([], TurnConfig())
    assert (found.differences, found.stretches(), found.num_missing) == ([], [], 0)
