import dataclasses

import numpy as np
import pytest

from voiceagent.scenes.hibari import hibari_engine
from voiceagent.scenes.phones import phone_of_hibari
from voiceagent.scenes.pronunciation import _ALTERNATIVES, Pronunciation, random_pronunciation
from voiceagent.scenes.timbre import random_timbre

THURSDAY, NINETEEN = "θˈɜɹzdˌA", "nˌIntˈin"


def test_a_sound_is_said_instead_of_another_most_of_the_time(rng):
    said = [Pronunciation(instead={"θ": "s"}).pronounce(THURSDAY, rng) for _ in range(50)]
    assert set(said) == {THURSDAY, "sˈɜɹzdˌA"}
    assert said.count(THURSDAY) < 20


@pytest.mark.parametrize(
    ("word", "shifted"),
    [(NINETEEN, "nˈIntˌin"), ("tˈɛn", "tˈɛn"), (f"tˈɛn {NINETEEN}", "tˈɛn nˈIntˌin")],
)
def test_the_stress_moves_within_a_word(word, shifted, rng):
    assert Pronunciation(shifts_stress=True).pronounce(word, rng) == shifted


def test_accents_are_of_all_strengths_and_keep_the_number_of_symbols():
    accents = [random_pronunciation(np.random.default_rng(seed)) for seed in range(60)]
    counts = [len(accent.instead) for accent in accents]
    assert min(counts) <= 1
    assert 8 <= max(counts) < len(_ALTERNATIVES) / 1.5
    rng = np.random.default_rng(0)
    assert all(len(accent.pronounce(THURSDAY, rng)) == len(THURSDAY) for accent in accents)


def test_all_that_is_said_is_a_sound_that_the_voice_knows():
    for symbol, others in _ALTERNATIVES.items():
        for each in (symbol, *others):
            assert phone_of_hibari(each) is not None
            assert each in hibari_engine()._tts.vocab
        assert symbol not in others


def test_a_speaker_with_an_accent_says_as_many_words_at_other_times(rng):
    plain = random_timbre(rng)
    timbre = dataclasses.replace(plain, pronunciation=Pronunciation(instead={"ɹ": "l", "θ": "t"}))
    engine = hibari_engine()
    one, other = (
        engine.say("what are your hours on thursday", np.random.default_rng(3), timbre=each)
        for each in (plain, timbre)
    )
    assert [word.text for word in one.words] == [word.text for word in other.words]
    assert len(one.pcm) != len(other.pcm) or not np.array_equal(one.pcm, other.pcm)
