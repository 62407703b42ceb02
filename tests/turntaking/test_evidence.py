"""Counting and comparing, before anything is decided."""

import dataclasses

import pytest

from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.evidence import is_turn, notice, p_turn_end, unplayed_frames
from voiceagent.turntaking.types import State, Text, TurnState

CONFIG = TurnConfig()
LISTENING = TurnState(state=State.LISTEN, near_dbfs=-20.0)
SPEAKING = TurnState(state=State.SPEAK, near_dbfs=-20.0, quiet_frames=0)


def test_speech_begins_above_one_threshold_and_ends_below_another(frame):
    state, found = LISTENING, []
    for p_user in (0.4, 0.6, 0.4, 0.3, 0.4):
        state = notice(CONFIG, state, frame(p_user=p_user))
        found.append(state.is_speech)
    assert found == [False, True, True, False, False]


def test_runs_of_speech_and_silence_are_counted(frame):
    state = LISTENING
    for p_user in (0.9, 0.9, 0.1, 0.1, 0.1):
        state = notice(CONFIG, state, frame(p_user=p_user))
    assert (state.speech_frames, state.silence_frames, state.turn_frames) == (0, 3, 2)


def test_the_measure_of_loudness_rises_fast_and_falls_slowly(frame):
    louder = notice(CONFIG, LISTENING, frame(p_user=0.9, level_dbfs=-10.0))
    fainter = notice(CONFIG, LISTENING, frame(p_user=0.9, level_dbfs=-30.0))
    assert (louder.near_dbfs, fainter.near_dbfs) == (-15.0, -20.2)


def test_loudness_is_not_learned_while_the_agent_speaks(frame):
    assert notice(CONFIG, SPEAKING, frame(p_user=0.9, level_dbfs=-5.0)).near_dbfs == -20.0


@pytest.mark.parametrize(("level_dbfs", "is_far"), [(-22.4, False), (-22.6, True)])
def test_fainter_speech_over_the_agent_is_far(frame, level_dbfs, is_far):
    state = SPEAKING
    for _ in range(2):
        state = notice(CONFIG, state, frame(p_user=0.9, level_dbfs=level_dbfs))
    assert state.is_far is is_far


def test_speech_found_to_be_near_counts_from_its_beginning(frame):
    config, state, found = TurnConfig(near_frames=2), SPEAKING, []
    for _ in range(3):
        state = notice(config, state, frame(p_user=0.9, level_dbfs=-20.0))
        found.append(state.turn_frames)
    assert found == [0, 2, 3]


def test_fainter_speech_while_nobody_speaks_is_near(frame):
    assert not notice(CONFIG, LISTENING, frame(p_user=0.9, level_dbfs=-40.0)).is_far


def test_far_speech_is_no_part_of_a_turn(frame):
    far = notice(CONFIG, SPEAKING, frame(p_user=0.9, level_dbfs=-40.0))
    assert (far.speech_frames, far.turn_frames) == (1, 0)


@pytest.mark.parametrize(
    ("level_dbfs", "echo", "is_echo"),
    [(-32.0, 0.5, True), (-32.0, 0.3, False), (-20.0, 0.5, False), (-20.0, 0.9, True)],
)
def test_an_echo_is_no_speech_but_a_loud_user_over_one_is(frame, level_dbfs, echo, is_echo):
    found = notice(CONFIG, SPEAKING, frame(p_user=0.9, level_dbfs=level_dbfs, echo=echo))
    assert (found.is_echo, found.is_speech) == (is_echo, not is_echo)


def test_a_judgement_of_the_pause_lasts_as_long_as_the_pause(frame):
    paused = notice(CONFIG, LISTENING, frame(p_eot=0.3))
    assert notice(CONFIG, paused, frame()).p_eot == 0.3
    assert notice(CONFIG, paused, frame(p_user=0.9)).p_eot is None


@pytest.mark.parametrize("heard", [" Mm", " uh huh"])
def test_backchannel_words_are_no_claim(frame, heard):
    assert not notice(CONFIG, SPEAKING, frame(heard=heard)).has_claim


def test_any_other_word_is_a_claim(frame):
    assert notice(CONFIG, SPEAKING, frame(heard=" oh add ten")).has_claim
    assert notice(CONFIG, SPEAKING, frame(heard=" stop")).has_claim


def test_a_word_understood_while_listening_is_no_claim(frame):
    assert not notice(CONFIG, LISTENING, frame(heard=" stop")).has_claim


def test_a_crackle_long_ago_makes_no_turn(frame):
    old = dataclasses.replace(LISTENING, turn_frames=1, turn_words=1, silence_frames=40)
    assert notice(CONFIG, old, frame(p_user=0.9)).turn_frames == 1
    assert notice(CONFIG, old, frame()).turn_words == 0


def test_a_held_wish_to_speak_is_remembered_through_the_pause(frame):
    paused = TurnState(state=State.USER_PAUSE)
    wants = {"p_pad": 0.1, "p_epad": 0.9}
    wanted = notice(CONFIG, paused, frame(**wants))
    assert notice(CONFIG, wanted, frame()).wanted_frames == 2
    assert notice(CONFIG, wanted, frame(p_user=0.9)).wanted_frames == 0
    assert notice(CONFIG, paused, frame(**wants, text=Text.EPAD)).wanted_frames == 0


@pytest.mark.parametrize(("trust", "expected"), [(1.0, 0.9), (0.0, 0.2), (0.5, 0.55)])
def test_trust_weighs_the_model_against_the_detector(frame, trust, expected):
    state = TurnState(p_eot=0.2)
    found = p_turn_end(TurnConfig(model_trust=trust), state, frame(p_epad=0.9))
    assert found == pytest.approx(expected)


def test_evidence_that_is_no_number_is_none(frame):
    assert p_turn_end(CONFIG, TurnState(), frame(p_epad=float("nan"))) == 0.0


@pytest.mark.parametrize(("needs_words", "expected"), [(True, False), (False, True)])
def test_a_turn_needs_words_where_the_model_writes_them(needs_words, expected):
    config = TurnConfig(needs_words=needs_words)
    assert is_turn(config, TurnState(turn_frames=5)) is expected


def test_an_absurd_cursor_does_not_hold_the_floor_for_ever(frame):
    assert unplayed_frames(frame(generated_frames=900, heard_frames=2)) == 25
    assert unplayed_frames(frame(generated_frames=2, heard_frames=9)) == 0
