import _ctypes
import ctypes

import numpy as np
import pytest

from voiceagent.errors import SynthesisUnavailable
from voiceagent.scenes import espeak

TEXT = "what is three plus four"


@pytest.mark.parametrize("voice", ["en-us", "en-us+f2", "en-gb-x-rp+m3"])
def test_is_voice_for_known_accents_and_variants(voice):
    assert espeak.is_voice(voice)


@pytest.mark.parametrize("voice", ["en-gb+f2", "en-us+whisper", "en-us+", "fr", ""])
def test_is_voice_for_refused_or_left_out_voices_is_false(voice):
    assert not espeak.is_voice(voice)


def test_engine_without_the_library_names_the_install_line(monkeypatch):
    monkeypatch.setattr(espeak, "_LIBRARY", "libespeak-none.so.9")
    with pytest.raises(SynthesisUnavailable, match="apt-get install espeak-ng"):
        espeak.EspeakEngine()


@pytest.mark.slow
@pytest.mark.parametrize("voice", ["en-us", "en-029+f4"])
def test_say_has_honest_word_times(assert_honest_words, voice):
    assert_honest_words(espeak.espeak_engine().say(TEXT, voice), TEXT)


@pytest.mark.slow
def test_say_of_a_pair_spoken_as_one_times_both_words(assert_honest_words):
    text = "the boss of the house"
    assert_honest_words(espeak.espeak_engine().say(text), text)


@pytest.mark.slow
@pytest.mark.parametrize("voice", ["en-us", "en-us+klatt2", "en-gb-scotland+m3"])
def test_say_twice_is_the_same_whatever_was_said_between(voice):
    engine = espeak.espeak_engine()
    first = engine.say(TEXT, voice).pcm
    engine.say("hello there", "en-us+f3")
    np.testing.assert_array_equal(first, engine.say(TEXT, voice).pcm)


@pytest.mark.slow
def test_say_with_warp_is_shorter_with_earlier_words():
    engine = espeak.espeak_engine()
    plain, warped = engine.say(TEXT), engine.say(TEXT, warp=1.25)
    for before, after in zip(plain.words, warped.words, strict=True):
        assert after.start_ms == pytest.approx(before.start_ms / 1.25, abs=12)


@pytest.mark.slow
@pytest.mark.parametrize(("text", "voice"), [(TEXT, "no-such+voice"), ("", "en-us")])
def test_say_of_an_unknown_voice_or_nothing_is_refused(text, voice):
    with pytest.raises(ValueError, match=r"voice|nothing"):
        espeak.espeak_engine().say(text, voice)


@pytest.mark.slow
def test_every_accent_and_variant_is_known_to_the_library():
    voices = [f"{accent}+{v}" for accent in espeak.ACCENTS for v in espeak.VARIANTS]
    with espeak.espeak_engine()._fresh_library() as (library, _):
        assert not [v for v in voices if library.espeak_SetVoiceByName(v.encode()) != 0]


@pytest.mark.slow
def test_say_while_something_else_holds_the_library_is_refused():
    engine = espeak.espeak_engine()
    held = ctypes.CDLL("libespeak-ng.so.1")
    try:
        with pytest.raises(SynthesisUnavailable, match="something else has loaded it"):
            engine.say(TEXT)
    finally:
        _ctypes.dlclose(held._handle)
    assert engine.say(TEXT).words
