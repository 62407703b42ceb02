from dataclasses import dataclass

import numpy as np
import pytest

from voiceagent.scenes.utterance import Phone, Utterance, Word
from voiceagent.training.word_by_word import WordByWord


@dataclass(frozen=True)
class Somebody:
    """Says every text in 100 ms."""

    id: str = "espeak:somebody"
    kind: str = "espeak"

    def say(self, text, take=0):
        sound = np.full(2400, 0.1 * len(text), np.float32)
        return Utterance(sound, (Word(text, 0, 90),), (Phone("s", 0), Phone("iy", 40)))


@pytest.fixture
def utterance():
    return WordByWord(Somebody()).say("see you soon", 7)


def test_words_are_said_alone_with_silence_between(utterance):
    assert [word.text for word in utterance.words] == ["see", "you", "soon"]
    assert [word.end_ms - word.start_ms for word in utterance.words] == [90] * 3
    assert utterance.duration_ms == utterance.words[-1].start_ms + 100
    is_sound = np.zeros(len(utterance.pcm), bool)
    for word in utterance.words:
        is_sound[word.start_ms * 24 : (word.start_ms + 100) * 24] = True
    np.testing.assert_array_equal(utterance.pcm > 0, is_sound)


def test_phones_follow_their_words_and_pauses_stand_between(utterance):
    names = [phone.name for phone in utterance.phones]
    assert names == ["s", "iy", "pau", "s", "iy", "pau", "s", "iy"]
    starts_ms = [phone.start_ms for phone in utterance.phones]
    assert starts_ms[::3] == [word.start_ms for word in utterance.words]
    assert starts_ms[2::3] == [word.start_ms + 100 for word in utterance.words[:2]]


def test_the_same_take_has_the_same_gaps_and_another_one_others(utterance):
    again, other = (WordByWord(Somebody()).say("see you soon", take) for take in (7, 8))
    assert again.words == utterance.words
    assert other.words != utterance.words


def test_one_word_is_what_the_speaker_says():
    somebody = WordByWord(Somebody())
    np.testing.assert_array_equal(somebody.say("see").pcm, Somebody().say("see").pcm)
    assert (somebody.id, somebody.kind) == ("espeak:somebody", "espeak")
