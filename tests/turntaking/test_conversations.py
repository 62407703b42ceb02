"""Scripted conversations, one or more per axis: the desired outcome and its latency in frames."""

import itertools

import pytest

from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.evidence import unplayed_frames
from voiceagent.turntaking.types import Audio, Event, Forced, Reason, State, Text


def forced_epad(decisions):
    """The first frame in which the model is made to speak."""
    return next((i for i, d in enumerate(decisions) if d.forced_text is Forced.EPAD), None)


# pause handling


def test_a_pause_in_a_turn_is_held_while_the_detector_says_it_goes_on(distrusting):
    distrusting.ask()
    pause = distrusting.play(10, agent="wants", p_eot=0.1)
    assert all(d.pad_bias_nats > 1 and d.epad_bias_nats < -1 for d in pause)
    assert distrusting.play(1, "near")[0].reason is Reason.USER_RESUMES


def test_a_pause_in_a_turn_is_left_to_a_trusted_model(talk):
    talk.ask()
    pause = talk.play(10, p_eot=0.95)
    assert {d.state for d in pause} == {State.USER_PAUSE}
    assert {d.pad_bias_nats for d in pause} == {0.0}


def test_a_long_pause_in_a_turn_is_not_filled_for_two_and_a_half_seconds(talk):
    talk.ask()
    assert forced_epad(talk.play(31)) is None


def test_a_patient_agent_starts_so_many_frames_after_the_model_wanted_to(patient):
    patient.ask()
    held = [*patient.play(2), *patient.play(1, agent="wants"), *patient.play(5)]
    assert [d.forced_text for d in held[:4]] == [Forced.PAD] * 4
    assert forced_epad(held) == 2 + patient.config.patience_frames - 1


def test_a_patient_agent_gives_up_if_the_user_goes_on_meanwhile(patient):
    patient.ask()
    patient.play(2)
    patient.play(1, agent="wants")
    went_on = [*patient.play(4, "near"), *patient.play(10)]
    assert forced_epad(went_on) is None


def test_an_agent_that_answered_a_pause_takes_it_back(talk):
    talk.ask()
    talk.answer(4)
    word_at = next(i for i, seen in enumerate(talk.observations) if seen.text is Text.WORD)
    (taken_back,) = talk.play(1, "near", "sound")
    assert (taken_back.reason, taken_back.state) == (Reason.AGENT_WITHDRAWS, State.LISTEN)
    assert taken_back.is_flush
    assert taken_back.audio is Audio.FADE
    assert taken_back.forced_text is Forced.PAD
    # what is seen in a frame was made in the one before, and EPAD and perhaps a request before that
    assert taken_back.trim_from_frame == word_at - 3
    went_on = talk.play(6, "near")
    assert {d.audio for d in went_on} == {Audio.PASS}
    assert not any(d.is_flush for d in went_on)


def test_a_turn_that_was_answered_too_early_is_answered_still(talk):
    talk.ask()
    talk.answer(4)
    talk.play(1, "near", "sound")  # a noise, and no more of the turn
    assert forced_epad(talk.play(20)) == talk.config.hold_max_frames - 1


def test_an_agent_that_has_the_floor_does_not_take_back_what_it_said(talk):
    talk.ask()
    talk.answer(talk.config.withdraw_frames + 2)
    assert talk.play(1, "near", "sound")[0].state is State.OVERLAP


# smooth turn-taking


def test_a_trusted_model_takes_its_turn_without_a_frame_of_delay(conversation):
    talk = conversation(TurnConfig(patience_frames=0))
    talk.ask()
    assert talk.play(2)[-1].forced_text is Forced.NONE
    started = talk.play(1, agent="epad")[0]
    assert (started.pad_bias_nats, started.forced_text) == (0.0, Forced.NONE)
    assert talk.play(1, agent="word")[0].state is State.SPEAK


def test_a_held_model_is_made_to_speak_one_frame_after_the_detector_is_sure(distrusting):
    distrusting.ask()
    distrusting.play(3, agent="wants", p_eot=0.1)
    assert distrusting.play(1, p_eot=0.9, p_epad=0.0)[0].forced_text is Forced.EPAD


def test_a_held_model_is_made_to_speak_after_1200_ms_at_the_latest(distrusting):
    distrusting.ask()
    held = distrusting.play(20, agent="wants", p_eot=0.1)
    assert forced_epad(held) == 13  # two frames of silence came before


def test_a_model_that_does_not_start_is_made_to_after_five_frames(distrusting):
    distrusting.ask()
    taken = distrusting.play(8, p_eot=0.9)
    assert taken[0].state is State.TAKE
    assert taken[0].pad_bias_nats < 0 < taken[0].epad_bias_nats
    assert forced_epad(taken) == 5


def test_epad_is_not_forced_upon_a_model_that_just_said_it(distrusting):
    distrusting.ask()
    distrusting.play(5, p_eot=0.9)
    assert distrusting.play(1, agent="epad")[0].forced_text is Forced.NONE


def test_a_finished_turn_without_an_answer_is_answered_within_four_seconds(talk):
    talk.ask()
    silence = talk.play(50)
    assert forced_epad(silence) == 39
    assert any(Event.NO_ANSWER in d.events for d in silence)


def test_noise_without_words_is_not_answered(talk):
    talk.play(1)
    talk.play(8, "near")
    silence = talk.play(60)
    assert forced_epad(silence) is None
    assert Reason.NO_TURN in {d.reason for d in silence}


# backchannels


@pytest.mark.parametrize("word", [" mm", " uh", None])
def test_a_user_backchannel_hushes_the_agent_which_then_goes_on_from_there(talk, word):
    talk.answer()
    talk.play(3, "near", "sound")
    talk.play(1, "near", "sound", heard=word)
    after = talk.play(3, agent="sound")
    overlap = [d.audio for d in talk.in_state("overlap")]
    assert overlap == [Audio.PASS, Audio.DUCK, Audio.FADE, Audio.MUTE, Audio.MUTE]
    assert (after[1].state, after[1].audio) == (State.SPEAK, Audio.PASS)
    unplayed = unplayed_frames(talk.observations[-1])
    # two frames of the user's speech, one of silence, and what was under way
    assert (after[1].is_resume, after[1].rewind_frames) == (True, 3 + unplayed)
    assert not any(d.is_resume for d in after[2:])
    assert not talk.in_state("yield")


def test_a_short_sound_of_the_user_is_nothing_to_go_back_for(talk):
    talk.answer()
    talk.play(2, "near", "sound")
    after = talk.play(3, agent="sound")
    assert after[-1].state is State.SPEAK
    assert not any(d.is_resume or d.rewind_frames for d in after)


def test_the_agents_own_backchannel_is_short_and_quiet(conversation):
    talk = conversation(TurnConfig(is_backchanneling=True, model_trust=0.0))
    talk.play(1)
    talk.play(30, "near", heard=" and")
    talk.play(2, p_eot=0.1)
    said = talk.play(2, agent="word", p_eot=0.1)
    assert [d.audio for d in said] == [Audio.DUCK, Audio.DUCK]
    rest = talk.play(4)
    assert rest[0].forced_text is Forced.PAD
    assert rest[-1].state in (State.LISTEN, State.USER_PAUSE)


def test_the_agents_backchannels_keep_their_distance(conversation):
    talk = conversation(TurnConfig(is_backchanneling=True, model_trust=0.0, pause_max_frames=35))
    for _ in range(6):
        talk.play(26, "near", heard=" and")
        talk.play(6, p_eot=0.1)
    begun = [i for i, d in enumerate(talk.decisions) if d.reason is Reason.BACKCHANNEL_CUE]
    assert len(begun) >= 2
    assert min(b - a for a, b in itertools.pairwise(begun)) >= 50


# interruption


def test_an_interruption_with_words_silences_the_agent_320_ms_after_its_onset(talk):
    talk.answer()
    talk.play(3, "near", "sound")
    yielded = talk.play(1, "near", "sound", heard=" stop")[0]
    assert (yielded.state, yielded.audio) == (State.YIELD, Audio.FADE)
    assert yielded.is_flush
    hushed_at = talk.decisions.index(talk.in_state("overlap")[2])
    assert yielded.trim_from_frame == hushed_at - unplayed_frames(talk.observations[-1])


def test_an_interruption_is_not_spoken_over_after_240_ms_whoever_understands_it(talk):
    talk.answer()
    overlap = talk.play(5, "near", "sound")
    assert [d.audio for d in overlap][1:4] == [Audio.DUCK, Audio.FADE, Audio.MUTE]
    assert [d.is_flush for d in overlap] == [False, False, True, False, False]


def test_an_interruption_that_nobody_understands_silences_the_agent_after_800_ms(talk):
    talk.answer()
    overlap = talk.play(12, "near", "sound")
    assert [d.state for d in overlap].index(State.YIELD) == 9


def test_after_an_interruption_the_user_is_answered(talk):
    talk.answer()
    talk.play(6, "near", "sound", heard=" no")
    talk.play(8, "near")
    talk.play(3)
    talk.play(1, agent="epad")
    assert talk.play(1, agent="word")[0].state is State.SPEAK


def test_sound_after_a_yield_is_of_the_new_generation(talk):
    talk.answer()
    talk.play(10, "near", "sound", heard=" no")
    flushes = sum(d.is_flush for d in talk.decisions)
    assert {d.generation for d in talk.play(10)} == {flushes}
    assert flushes == 2  # hushed, then yielded


def test_after_a_false_interruption_the_agent_goes_on_from_where_it_was_last_heard(talk):
    talk.answer()
    overlap = talk.play(10, "near", "sound")
    hushed = [d.audio for d in overlap].index(Audio.FADE)
    unplayed = unplayed_frames(talk.observations[-1])
    resumed = talk.play(2)[-1]
    assert (resumed.state, resumed.is_resume, resumed.is_replayed) == (State.SPEAK, True, False)
    assert resumed.rewind_frames == len(overlap) - hushed + 1 + unplayed


def test_an_interruption_understood_after_the_agent_gave_way_is_none_to_resume_from(talk):
    talk.answer()
    talk.play(10, "near", "sound")
    talk.play(1, "near", heard=" add ten and")
    assert talk.play(2)[-1].state is State.LISTEN
    assert not any(d.is_resume for d in talk.decisions)


def test_after_a_backchannel_the_agent_goes_on_from_where_it_was_last_heard(talk):
    talk.answer()
    overlap = talk.play(8, "near", "sound")
    hushed = [d.audio for d in overlap].index(Audio.FADE)
    unplayed = unplayed_frames(talk.observations[-1])
    resumed = talk.play(2, agent="sound")[-1]
    assert resumed.is_resume
    assert resumed.rewind_frames == len(overlap) - hushed + 1 + unplayed > 6


def test_a_model_that_cannot_go_back_does_not_resume(conversation):
    talk = conversation(TurnConfig(resume_max_frames=0))
    talk.answer()
    talk.play(10, "near", "sound")
    assert talk.play(2)[-1].state is State.LISTEN


# talking to others, background speech


def test_speech_fainter_than_the_users_reaches_the_model_as_silence(talk):
    talk.answer()
    overlap = talk.play(20, "far", "sound")
    assert all(d.is_gated for d in overlap)
    assert {d.audio for d in overlap} == {Audio.PASS}
    assert not talk.in_state("yield")


def test_faint_speech_stays_gated_past_the_agents_end_and_no_longer_than_itself(talk):
    talk.answer()
    talk.play(5, "far", "sound")
    assert all(d.is_gated for d in talk.play(15, "far"))
    assert not talk.play(2)[-1].is_gated
    assert not talk.play(1, "far")[0].is_gated


def test_a_wrong_gate_is_opened_and_what_was_missed_is_replayed(talk):
    talk.answer()
    talk.play(3, "far", "sound")
    opened = talk.play(1, "near", "sound")[0]
    assert not opened.is_gated
    assert (opened.rewind_frames, opened.is_replayed) == (3, True)
    assert talk.play(1, "near", "sound")[0].rewind_frames == 0


def test_no_more_is_replayed_than_the_model_can_go_back(talk):
    talk.answer()
    talk.play(9, "far", "sound")
    opened = talk.play(1, "near", "sound", rewind_room_frames=4)[0]
    assert opened.rewind_frames == 4


def test_a_word_fading_out_is_not_gated(talk):
    talk.answer()
    talk.play(2, "near", "sound")
    assert not any(d.is_gated for d in talk.play(3, "far", "sound"))


def test_the_first_speaker_is_always_near(talk):
    assert not any(d.is_gated for d in talk.play(10, "far"))


def test_a_gate_turned_off_stays_open(conversation):
    talk = conversation(TurnConfig(is_gating=False))
    talk.answer()
    assert not any(d.is_gated for d in talk.play(10, "far", "sound"))


# echo


def test_the_agents_echo_is_gated_and_is_no_overlap(talk):
    talk.answer()
    echo = talk.play(30, "echo", "sound")
    assert all(d.is_gated for d in echo)
    assert {d.state for d in echo} == {State.SPEAK}


def test_a_user_over_an_echo_is_heard_without_replaying_the_echo(talk):
    talk.answer()
    talk.play(5, "echo", "sound")
    heard = talk.play(1, "near", "sound", echo=0.3)[0]
    assert (heard.state, heard.is_gated, heard.rewind_frames) == (State.OVERLAP, False, 0)


def test_faint_sound_that_no_detector_takes_for_speech_is_gated_while_the_agent_speaks(talk):
    talk.answer()
    assert all(d.is_gated for d in talk.play(5, agent="sound", level_dbfs=-40.0))
    talk.play(10)
    assert not talk.play(1, level_dbfs=-40.0)[0].is_gated


def test_the_faint_beginning_of_an_interruption_is_replayed(talk):
    talk.answer()
    talk.play(1, agent="sound", level_dbfs=-40.0)
    opened = talk.play(1, "near", "sound")[0]
    assert (opened.rewind_frames, opened.is_replayed) == (1, True)


def test_one_loud_frame_opens_no_gate_that_wants_two(conversation):
    talk = conversation(TurnConfig(near_frames=2))
    talk.answer()
    talk.play(2, "far", "sound")
    talk.play(1, "near", "sound")
    assert all(d.is_gated for d in talk.play(5, "far", "sound"))


# watchdogs


def test_a_user_who_says_nothing_is_asked_for_after_30_s(talk):
    silence = talk.play(780)
    assert [i for i, d in enumerate(silence) if Event.PRESENCE_CHECK in d.events]


def test_an_unanswered_turn_ends_with_a_fresh_context(talk):
    talk.ask()
    events = [event for d in talk.play(110) for event in d.events]
    assert events == [Event.NO_ANSWER, Event.PRESENCE_CHECK, Event.RESET_CONTEXT]


def test_an_agent_that_repeats_itself_is_silenced(talk):
    talk.answer()
    caught = talk.play(1, agent="word", repeats=4)[0]
    assert (caught.state, caught.audio, caught.is_flush) == (State.STUCK, Audio.FADE, True)
    assert caught.events == (Event.LOOP,)
    assert all(d.forced_text is Forced.PAD for d in talk.play(20, agent="word"))


def test_an_agent_that_never_stops_is_silenced_after_a_minute(talk):
    talk.answer()
    assert any(Event.MONOLOGUE in d.events for d in talk.play(750, agent="word"))


def test_speech_without_an_end_is_reported(talk):
    events = [event for d in talk.play(800, "near") for event in d.events]
    assert events == [Event.LONG_LISTEN]


def test_a_missing_frame_is_reported_and_survived(talk):
    talk.ask()
    assert Event.FRAME_GAP in talk.play(1, frame=500)[0].events


# beginning and end


def test_an_agent_that_is_not_trusted_holds_its_tongue_until_the_user_speaks(distrusting):
    assert {d.forced_text for d in distrusting.play(20)} == {Forced.PAD}
    assert distrusting.play(3, "near")[-1].state is State.LISTEN


def test_an_agent_may_greet(talk):
    talk.play(3)
    assert talk.play(1, agent="word")[0].state is State.SPEAK


def test_a_user_whom_only_the_model_hears_is_listened_to(talk):
    assert talk.play(1, heard=" hello")[0].state is State.LISTEN


def test_nothing_is_said_after_the_end(talk):
    talk.answer()
    talk.play(1, is_hung_up=True)
    after = talk.play(5, "near", "word")
    assert not any(d.rewind_frames for d in after)
    assert {(d.state, d.audio, d.is_gated) for d in after} == {(State.ENDED, Audio.MUTE, True)}
