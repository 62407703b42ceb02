import datetime

import pytest

from voiceagent.scenes.domain import agent_sentences
from voiceagent.serving import facts


def test_number_words_spell_units_teens_and_tens():
    words = [facts.number_words(n) for n in (0, 7, 13, 20, 42, 99)]
    assert words == ["zero", "seven", "thirteen", "twenty", "forty two", "ninety nine"]


@pytest.mark.parametrize("number", [-1, 100])
def test_number_words_outside_their_range_are_refused(number):
    with pytest.raises(ValueError, match="number"):
        facts.number_words(number)


@pytest.mark.parametrize(
    ("hour", "minute", "text"),
    [
        (0, 0, "it is twelve o'clock"),
        (9, 5, "it is nine oh five"),
        (15, 30, "it is three thirty"),
        (23, 59, "it is eleven fifty nine"),
    ],
)
def test_time_words_say_the_clock_as_people_do(hour, minute, text):
    assert facts.time_words(hour, minute) == text
    assert text in agent_sentences()


@pytest.mark.parametrize(
    ("request_", "answer"),
    [("<time>", "it is four oh six"), ("<day>", "today is sunday"), ("<ask>", None)],
)
def test_fact_answers_with_the_local_moment(request_, answer):
    assert facts.fact(request_, datetime.datetime(2026, 11, 22, 16, 6)) == answer


def test_every_answer_holds_each_minute_of_the_dial_and_each_day():
    assert len(set(facts.every_answer("<time>"))) == 720
    assert len(set(facts.every_answer("<day>"))) == 7
    assert facts.every_answer("<ask>") == ()
