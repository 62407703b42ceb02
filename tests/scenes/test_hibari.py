import builtins
import os

import numpy as np
import pytest

from voiceagent.errors import SynthesisUnavailable
from voiceagent.scenes import hibari
from voiceagent.scenes.timbre import random_timbre

TEXT = "i can add numbers and tell you our opening hours"


def test_engine_without_the_package_names_the_install_line(monkeypatch):
    real_import = builtins.__import__

    def no_hibari(name, *args, **kwargs):
        if name.startswith("hibari"):
            raise ImportError("No module named 'hibari'")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_hibari)
    with pytest.raises(SynthesisUnavailable, match=r"pip install 'voiceagent\[scenes\]'"):
        hibari.HibariEngine()


@pytest.mark.slow
def test_say_has_honest_word_times(assert_honest_words, rng):
    assert_honest_words(hibari.hibari_engine().say(TEXT, rng), TEXT)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_say_of_a_made_up_speaker_has_honest_word_times(assert_honest_words, rng, seed):
    timbre = random_timbre(np.random.default_rng(seed))
    assert_honest_words(hibari.hibari_engine().say(TEXT, rng, timbre=timbre), TEXT)


@pytest.mark.slow
def test_say_of_a_sibilant_puts_its_hiss_into_its_word(rng):
    utterance = hibari.hibari_engine().say("we see it", rng)
    see = utterance.words[1]
    hiss = np.abs(np.diff(utterance.pcm)).reshape(-1)
    loudest_ms = np.argmax(np.convolve(hiss, np.ones(960), "same")) // 24
    # 40 ms is what the durations scatter; without the correction of their lag it is 67
    assert see.start_ms - 40 <= loudest_ms < see.start_ms + 150


@pytest.mark.slow
def test_say_of_two_sentences_times_all_words(assert_honest_words, rng):
    text = "Hello there. How are you?"
    assert_honest_words(hibari.hibari_engine().say(text, rng), text, least_share=0.85)


@pytest.mark.slow
def test_engine_leaves_the_environment_alone():
    before = dict(os.environ)
    hibari.HibariEngine()
    assert dict(os.environ) == before
