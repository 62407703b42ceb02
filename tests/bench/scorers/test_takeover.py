"""Takeover and latency, on hand-made word times."""

import pytest

from voiceagent.bench.scorers.takeover import (
    is_takeover,
    is_takeover_by_sound,
    latency_s,
    span_s,
)


def test_saying_nothing_is_no_takeover():
    assert not is_takeover(())


def test_three_words_below_a_second_are_a_backchannel(words):
    assert not is_takeover(words((2.0, 2.2), (2.3, 2.5), (2.6, 2.99)))


def test_four_words_take_over_however_short(words):
    assert is_takeover(words((2.0, 2.1), (2.1, 2.2), (2.2, 2.3), (2.3, 2.4)))


def test_one_word_of_a_second_takes_over(words):
    assert is_takeover(words((2.0, 3.0)))


def test_two_words_far_apart_take_over_since_silence_counts(words):
    assert is_takeover(words(("mm", 0.5, 0.7), ("yeah", 9.0, 9.2)))


def test_a_greeting_before_the_user_speaks_takes_over(words):
    greeting = words(("hello", 0.1, 0.5), ("how", 0.5, 0.7), ("are", 0.7, 0.8), ("you", 0.8, 1.0))
    assert is_takeover(greeting)
    assert latency_s(greeting, since_s=7.0) == 0.0


def test_a_last_word_without_end_counts_from_its_start(words):
    assert span_s(words((2.0, 2.2), (2.9, None))) == pytest.approx(0.9)
    assert not is_takeover(words((2.0, 2.2), (2.9, None)))


def test_latency_is_from_the_turns_end_to_the_first_word(words):
    assert latency_s(words((5.25, 7.0)), since_s=5.0) == 0.25


def test_a_first_word_before_the_turns_end_has_no_latency(words):
    assert latency_s(words((4.0, 7.0)), since_s=5.0) == 0.0


def test_what_does_not_take_over_has_none_at_all(words):
    assert latency_s(words((5.2, 5.4)), since_s=5.0) is None
    assert latency_s((), since_s=5.0) is None


def test_by_sound_a_second_from_first_to_last_takes_over():
    assert is_takeover_by_sound([(2.0, 2.4), (2.8, 3.0)])
    assert not is_takeover_by_sound([(2.0, 2.9)])
    assert not is_takeover_by_sound([])
