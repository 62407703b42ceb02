"""Biases, gate and sound of each state."""

import pytest

from voiceagent.turntaking.actions import act
from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.types import Audio, Event, Forced, Reason, State, TurnState

DISTRUSTING = TurnConfig(model_trust=0.0)


def done(config, state, frame, reason=Reason.STAY, **seen):
    return act(config, state, frame(**seen), reason, 3)


@pytest.mark.parametrize("state", sorted(set(State) - {State.ENDED, State.YIELD, State.TAKE}))
def test_a_trusted_model_is_never_biased_but_to_take_its_turn(state, frame):
    decision = done(TurnConfig(), TurnState(state=state, p_eot=0.0), frame)
    assert (decision.pad_bias_nats, decision.epad_bias_nats) == (0.0, 0.0)


def test_the_hold_of_a_pause_fades_with_the_silence(frame):
    pauses = [TurnState(state=State.USER_PAUSE, silence_frames=n, p_eot=0.1) for n in (1, 8, 15)]
    held = [done(DISTRUSTING, pause, frame).pad_bias_nats for pause in pauses]
    assert held == sorted(held, reverse=True)
    assert held[-1] == 0.0


def test_the_hold_of_a_pause_fades_with_the_evidence_of_an_end(frame):
    pauses = [TurnState(state=State.USER_PAUSE, silence_frames=1, p_eot=p) for p in (0.1, 0.6, 0.9)]
    held = [done(DISTRUSTING, pause, frame).pad_bias_nats for pause in pauses]
    assert held[0] > 3.5
    assert held[1] == pytest.approx(DISTRUSTING.pause_hold_nats / 2 * 14 / 15)
    assert held[2] < 0.2


def test_bias_off_pad_is_bias_on_epad(frame):
    decision = done(DISTRUSTING, TurnState(state=State.LISTEN), frame)
    assert decision.pad_bias_nats == -decision.epad_bias_nats == 4.0


def test_a_yielding_agent_fades_once_and_is_mute_then(frame):
    first = done(TurnConfig(), TurnState(state=State.YIELD), frame, heard_frames=7)
    later = done(TurnConfig(), TurnState(state=State.YIELD, frames_in_state=1), frame)
    assert (first.audio, first.is_flush, first.trim_from_frame) == (Audio.FADE, True, 7)
    assert (later.audio, later.is_flush, later.trim_from_frame) == (Audio.MUTE, False, None)
    assert first.forced_text is later.forced_text is Forced.PAD


def test_resuming_takes_back_the_frames_that_were_forced(frame):
    decision = done(TurnConfig(), TurnState(state=State.SPEAK), frame, Reason.FALSE_INTERRUPTION)
    assert (decision.is_resume, decision.rewind_frames, decision.is_replayed) == (True, 3, False)


def test_an_unanswered_turn_forces_epad_once(frame):
    stuck = [
        TurnState(state=State.STUCK, watchdog=Event.NO_ANSWER, frames_in_state=n) for n in (0, 1)
    ]
    forced = [done(TurnConfig(), state, frame).forced_text for state in stuck]
    assert forced == [Forced.EPAD, Forced.NONE]


def test_speech_that_was_gated_by_mistake_is_replayed(frame):
    state = TurnState(state=State.OVERLAP, is_speech=True, gated_frames=4)
    decision = done(TurnConfig(), state, frame)
    assert (decision.rewind_frames, decision.is_replayed, decision.is_gated) == (4, True, False)
