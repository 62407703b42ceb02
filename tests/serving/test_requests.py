import datetime

import pytest

from voiceagent.errors import ConfigError
from voiceagent.model.tokenizer import WordTokenizer
from voiceagent.serving.requests import CLOSING_STEPS, PATIENCE_STEPS, Filling, Requests
from voiceagent.training.vocabulary import EPAD, PAD, token_id, tokens


class Watch:
    """A clock on the wall that somebody sets."""

    def __init__(self):
        self.time = datetime.datetime(2026, 11, 22, 16, 40)

    def now(self):
        return self.time


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def filling(watch):
    return Filling(Requests(WordTokenizer(tokens()), PAD, watch.now))


def ids(text):
    return [token_id(word) for word in text.split()]


def say(filling, text):
    for token in ids(text):
        filling.said(token)


def test_nothing_is_prescribed_before_a_request_and_after_an_ordinary_word(filling):
    assert filling.word is None
    assert filling.said(token_id("hello")) is None
    assert filling.word is None


def test_time_comes_word_by_word_whatever_silence_lies_between(filling):
    assert filling.said(token_id("<time>")) == "<time>"
    words = []
    for _ in range(5):
        filling.said(PAD)
        words.append(filling.word)
        filling.said(filling.word)
    assert words == [*ids("it is four forty"), PAD]


def test_day_is_that_of_the_moment_it_is_asked_for(filling, watch):
    watch.time += datetime.timedelta(days=1)
    filling.said(token_id("<day>"))
    watch.time += datetime.timedelta(days=1)
    say(filling, "today is")
    assert filling.word == token_id("monday")


def test_said_whole_it_is_followed_by_no_word_for_a_while_and_then_by_any(filling):
    say(filling, "<time> it is four forty")
    words = []
    for _ in range(CLOSING_STEPS + 1):
        words.append(filling.word)
        filling.said(PAD)
    assert words == [PAD] * CLOSING_STEPS + [None]


def test_next_answer_may_begin_at_once_behind_the_last_word(filling):
    say(filling, "<time> it is four forty")
    filling.said(EPAD)
    assert filling.word is None


def test_question_outside_the_domain_is_reported_and_leaves_the_words_free(filling):
    assert filling.said(token_id("<ask>")) == "<ask>"
    assert filling.word is None


@pytest.mark.parametrize("token", [EPAD, token_id("seven")], ids=["start", "forced word"])
def test_another_answer_lets_the_rest_of_the_time_go(filling, token):
    say(filling, "<time> it is")
    filling.said(token)
    assert filling.word is None
    say(filling, "four")
    assert filling.word is None


def test_interrupted_agent_that_stays_silent_lets_the_time_go(filling):
    say(filling, "<time> it")
    for _ in range(PATIENCE_STEPS - 1):
        filling.said(PAD)
    assert filling.word == token_id("is")
    filling.said(PAD)
    assert filling.word is None


def test_every_word_gives_patience_for_the_next(filling):
    say(filling, "<time>")
    for word in ids("it is four forty"):
        for _ in range(PATIENCE_STEPS - 1):
            filling.said(PAD)
        assert filling.word == word
        filling.said(word)


def test_request_within_an_answer_takes_its_place(filling, watch):
    say(filling, "<time> it is")
    watch.time = watch.time.replace(hour=7, minute=0)
    say(filling, "<time> it is seven")
    assert filling.word == token_id("o'clock")
    say(filling, "<day>")
    assert filling.word == token_id("today")
    say(filling, "<ask>")
    assert filling.word is None


def test_model_without_requests_is_never_told_a_word(watch):
    filling = Filling(Requests(WordTokenizer(("<pad>", "<epad>", "hello", "<unk>")), 0, watch.now))
    assert [filling.said(token) for token in range(4)] == [None] * 4
    assert filling.word is None


def test_model_that_asks_for_what_it_cannot_say_is_refused(watch):
    with pytest.raises(ConfigError, match="lacks their word 'friday'"):
        Requests(WordTokenizer(("<pad>", "<epad>", "<day>")), 0, watch.now)


def test_what_is_let_go_is_owed_no_more(filling):
    say(filling, "<time> it is")
    filling.let_go()
    assert filling.word is None
    say(filling, "four")
    assert filling.word is None


def test_what_is_taken_back_is_owed_again(filling):
    say(filling, "<time> it is")
    owed = filling.word
    say(filling, "four")
    filling.said(PAD)
    filling.take_back(2)
    assert filling.word == owed == token_id("four")


def test_a_request_that_is_taken_back_owes_nothing(filling):
    say(filling, "<time> it")
    filling.take_back(2)
    assert filling.word is None
