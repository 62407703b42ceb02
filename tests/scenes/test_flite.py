import numpy as np
import pytest

from voiceagent.errors import SynthesisUnavailable
from voiceagent.scenes import flite

TEXT = "what is three plus four"


def test_word_starts_put_split_words_together():
    words = [("anna", 10.0), ("'s", 90.0), ("dog", 150.0)]
    assert flite._word_starts_ms("anna's dog", words, 1.0) == {0: 10.0, 1: 150.0}


def test_word_starts_after_digits_are_left_open():
    words = [("three", 10.0), ("dogs", 90.0)]
    assert flite._word_starts_ms("3 dogs", words, 1.0) == {0: 10.0}


def test_load_of_a_missing_library_names_the_install_line():
    with pytest.raises(SynthesisUnavailable, match="apt-get install libflite1"):
        flite._load("libflite-none.so.9")


@pytest.mark.slow
@pytest.mark.parametrize("voice", flite.VOICES)
def test_say_has_honest_word_times(assert_honest_words, voice):
    assert_honest_words(flite.flite_engine().say(TEXT, voice), TEXT)


@pytest.mark.slow
@pytest.mark.parametrize("voice", ["slt", "kal"])
def test_say_twice_is_the_same_whatever_was_said_between(voice):
    engine = flite.flite_engine()
    first = engine.say(TEXT, voice).pcm
    engine.say("hello there", voice, stretch=1.3)
    np.testing.assert_array_equal(first, engine.say(TEXT, voice).pcm)


@pytest.mark.slow
def test_say_with_stretch_is_slower():
    engine = flite.flite_engine()
    ratio = engine.say(TEXT, stretch=1.3).duration_ms / engine.say(TEXT).duration_ms
    assert ratio == pytest.approx(1.3, abs=0.1)


@pytest.mark.slow
def test_say_with_an_unknown_voice_names_the_known():
    with pytest.raises(ValueError, match="slt, rms"):
        flite.flite_engine().say(TEXT, "bob")
