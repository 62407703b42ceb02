"""The columns beside the official ones, on hand-made stretches."""

from voiceagent.bench.scorers.honest import look


def test_a_greeting_spoke_before_the_turns_end():
    assert look([(0.2, 1.8)], 20, turn_end_s=7).spoke_before_turn_end


def test_a_backchannel_and_an_answer_over_the_last_word_did_not():
    assert not look([(3.0, 3.6), (6.7, 9.0)], 20, turn_end_s=7).spoke_before_turn_end


def test_an_agent_that_is_silent_at_the_onset_was_not_exercised():
    found = look([(2, 4), (9, 12)], 20, overlap=(6, 8))
    assert (found.not_exercised, found.talked_through) == (True, False)


def test_an_agent_that_goes_on_past_the_overlap_talked_through():
    found = look([(2, 8.1)], 20, overlap=(6, 8))
    assert (found.not_exercised, found.talked_through) == (False, True)


def test_a_breath_in_the_middle_is_still_talking_through():
    assert look([(2, 6.5), (6.9, 9)], 20, overlap=(6, 8)).talked_through


def test_an_agent_that_stops_for_the_overlap_did_not():
    assert not look([(2, 6.4)], 20, overlap=(6, 8)).talked_through


def test_sound_up_to_the_end_is_censored():
    assert look([(15, 19.95)], 20).right_censored
    assert not look([(15, 19.8)], 20).right_censored
    assert not look([], 20).right_censored


def test_what_a_task_does_not_have_stays_unknown():
    row = look([(1, 3)], 20).to_json()
    assert row["takeover_by_sound"] is True
    assert row["spoke_before_turn_end"] is row["not_exercised"] is row["talked_through"] is None
