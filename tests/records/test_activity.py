import pytest

from voiceagent.records import activity
from voiceagent.records.activity import Turn


def spoken(pattern: str) -> list[bool]:
    return [mark == "x" for mark in pattern]


@pytest.mark.parametrize(("dbfs", "speaks"), [(-45.0, True), (-45.1, False)])
def test_level_decides_what_counts_as_speech(dbfs, speaks):
    assert activity.is_speech(dbfs) is speaks


def test_turns_bridge_pauses_up_to_the_limit_and_no_longer():
    pause = "." * activity.PAUSE_FRAMES
    assert activity.turns(spoken(f".xx{pause}x")) == [Turn(1, 10)]
    assert activity.turns(spoken(f".xx{pause}.x")) == [Turn(1, 3), Turn(10, 11)]


def test_gaps_run_from_each_user_turn_to_the_answer_before_the_next():
    user, agent = [Turn(0, 5), Turn(20, 25), Turn(30, 32)], [Turn(8, 12), Turn(40, 45)]
    # the second user turn is followed by the user again: no gap of the agent's
    assert activity.gaps_ms(user, agent) == (240, 640)


def test_an_answer_that_begins_in_overlap_leaves_no_gap():
    assert activity.gaps_ms([Turn(0, 10)], [Turn(8, 20)]) == ()


def test_overlap_counts_frames_in_which_both_speak():
    assert activity.overlap_ms(spoken("xxx."), spoken(".xxx")) == 160


def test_talk_share_is_the_agents_part_of_speech():
    assert activity.talk_share(spoken("x..."), spoken(".xxx")) == 0.75
    assert activity.talk_share(spoken("...."), spoken("....")) is None
