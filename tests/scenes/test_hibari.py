import builtins
import os

import numpy as np
import pytest

from voiceagent.errors import SynthesisUnavailable
from voiceagent.scenes import hibari

TEXT = "i can add numbers and tell you our opening hours"


def spectra(num_frames):
    bins = np.ones((hibari.BINS, num_frames), np.float32)
    pitch_hz = np.linspace(0, 200, num_frames, dtype=np.float32)
    return hibari.Spectra(bins, bins, bins, bins, bins, pitch_hz)


def test_random_timbre_from_the_same_seed_is_the_same():
    first, second = (hibari.random_timbre(np.random.default_rng(3)) for _ in range(2))
    assert (first.formants, first.pitch) == (second.formants, second.pitch)


def test_stretch_moves_a_resonance_by_the_factor():
    peak = np.exp(-((np.arange(hibari.BINS) - 200.0) ** 2) / 50)[:, None].astype(np.float32)
    assert np.argmax(hibari._stretch(peak, 1.2)) == 240
    assert np.argmax(hibari._stretch_nearest(peak, 0.8)) == 160


def test_wandering_pace_plays_frames_in_order(rng):
    frames = hibari._wandering_pace(100, rng)
    assert frames[0] >= 0
    assert frames[-1] < 100
    assert (np.diff(frames) >= 0).all()


def test_apply_timbre_scales_the_pitch_of_voiced_frames_only(rng):
    timbre = hibari.Timbre(
        formants=1.0,
        pitch=0.5,
        melody=1.0,
        speed=1.0,
        breath=0.0,
        equaliser=np.zeros((hibari.BINS, 1), np.float32),
        uneven=False,
    )
    warped, _ = hibari.apply_timbre(timbre, spectra(11), [0], rng)
    np.testing.assert_allclose(warped.pitch_hz[4:], spectra(11).pitch_hz[4:] / 2, rtol=1e-5)
    assert not warped.pitch_hz[:4].any()


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
    timbre = hibari.random_timbre(np.random.default_rng(seed))
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
