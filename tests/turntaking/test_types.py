"""What the policy sees, remembers and decides."""

import dataclasses

import pytest

from voiceagent.turntaking.types import Decision, Event, Reason, State, TurnState


def test_a_fresh_state_waits_for_a_beginning():
    assert (TurnState().state, TurnState().near_dbfs) == (State.START, None)


def test_nothing_can_be_changed(frame):
    decision = Decision(state=State.SPEAK, reason=Reason.STAY)
    for value in (TurnState(), decision, frame()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, dataclasses.fields(value)[0].name, None)


def test_a_plain_decision_leaves_the_model_and_the_sound_alone():
    plain = Decision(state=State.SPEAK, reason=Reason.STAY)
    assert (plain.pad_bias_nats, plain.is_gated, plain.rewind_frames) == (0.0, False, 0)
    assert (plain.forced_text, plain.audio) == ("none", "pass")


def test_names_are_what_a_trace_shows():
    assert f"{State.USER_PAUSE} {Reason.TURN_END} {Event.LOOP}" == "user_pause turn_end loop"
