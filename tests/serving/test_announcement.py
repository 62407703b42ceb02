import numpy as np
import pytest

from voiceagent.serving.announcement import (
    MAX_FRAMES,
    AnnouncedFrame,
    Announcement,
    announced_frames,
)
from voiceagent.turntaking.config import MAX_RESUME_FRAMES

MODEL = np.full(1920, 0.5, np.float32)


def frames(*levels, is_held=True):
    for place, level in enumerate(levels):
        pcm = np.full(1920, level, np.float32)
        yield AnnouncedFrame(pcm, f" {place}", place == 0, is_held)


def announcing(*levels, is_held=True):
    announcement = Announcement()
    for frame in frames(*levels, is_held=is_held):
        announcement.add(frame)
    return announcement


def said(announcement, steps):
    """Levels of the announcement's frames, None for the model's, and the words told."""
    levels, words = [], ""
    for _ in range(steps):
        pcm, is_announced = announcement.take(MODEL)
        levels.append(round(float(pcm[-1]), 3) if is_announced else None)
        words += announcement.tell() or ""
    return levels, words


def test_sound_is_cut_into_frames_and_words_come_in_time_with_their_letters():
    made = list(announced_frames(np.ones(4 * 1920 - 1, np.float32), "Hello dear you", is_held=True))
    assert [frame.said for frame in made] == [" Hello", " dear", None, " you"]
    assert [frame.is_first for frame in made] == [True, False, False, False]
    assert made[-1].pcm[-2:].tolist() == [1, 0]


def test_sound_without_words_or_without_a_sample_is_none():
    (frame,) = announced_frames(np.ones(3, np.float32), "", is_held=False)
    assert (frame.said, frame.is_held) == (None, False)
    assert list(announced_frames(np.ones(0, np.float32), "hello", is_held=True)) == []


def test_it_is_heard_in_place_of_the_model_and_then_the_model_again():
    announcement = announcing(0.1, 0.2)
    assert announcement.is_held
    assert said(announcement, 4) == ([0.1, 0.2, None, None], " 0 1")
    assert not announcement.is_held


def test_a_model_that_was_speaking_fades_out_under_it():
    pcm, _ = announcing(0.0, 0.0).take(MODEL)
    assert (pcm[0], pcm[-1]) == (0.5, 0)
    assert (np.diff(pcm) <= 0).all()


def test_another_one_breaks_it_off():
    announcement = announcing(0.1, 0.2, 0.3)
    said(announcement, 1)
    for frame in frames(0.4):
        announcement.add(frame)
    assert said(announcement, 2) == ([0.4, None], " 0")


def test_a_word_of_the_model_ends_it_where_the_model_is_not_held():
    announcement = announcing(0.1, 0.2, 0.3, is_held=False)
    assert not announcement.is_held
    announcement.take(MODEL)
    pcm, is_announced = announcement.take(MODEL, is_word=True)
    assert (round(float(pcm[0]), 3), pcm[-1], is_announced) == (0.7, 0.5, False)
    assert said(announcement, 1) == ([None], "")


def test_a_word_of_a_held_model_does_not_end_it():
    announcement = announcing(0.1, 0.2)
    assert announcement.take(MODEL, is_word=True)[1]
    assert announcement.is_playing


@pytest.mark.parametrize(("steps", "back"), [(2, 1), (3, 2), (5, 4)])
def test_what_nobody_heard_is_said_again_but_told_once(steps, back):
    announcement = announcing(0.1, 0.2, 0.3)
    _, before = said(announcement, steps)
    announcement.take_back(back)
    assert announcement.is_playing
    levels, after = said(announcement, 3)
    assert levels == [0.2, 0.3, None]
    assert before + after == " 0 1 2"


def test_what_is_long_over_does_not_come_again():
    announcement = announcing(0.1)
    said(announcement, 2 + MAX_RESUME_FRAMES)
    announcement.take_back(MAX_RESUME_FRAMES)
    assert not announcement.is_playing


def test_it_is_bounded():
    announcement = announcing(*[0.1] * (MAX_FRAMES + 5))
    levels, _ = said(announcement, MAX_FRAMES + 1)
    assert levels[-2:] == [0.1, None]
