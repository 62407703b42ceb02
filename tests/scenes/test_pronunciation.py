import dataclasses

import numpy as np
import pytest

from voiceagent.scenes import pronunciation
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


def test_all_that_is_said_is_a_sound():
    for symbol, others in _ALTERNATIVES.items():
        assert symbol not in others
        assert all(phone_of_hibari(each) is not None for each in (symbol, *others))


@pytest.mark.slow
def test_all_that_is_said_is_known_to_the_voice():
    known = hibari_engine()._tts.vocab
    assert all(
        each in known for symbol, others in _ALTERNATIVES.items() for each in symbol + others
    )


@pytest.mark.slow
@pytest.mark.parametrize("instead", [{}, {"ɹ": "l", "θ": "t"}])
def test_a_speaker_makes_the_sounds_of_their_accent(rng, monkeypatch, instead):
    engine, made = hibari_engine(), []
    spectra = engine.spectra
    monkeypatch.setattr(
        engine, "spectra", lambda phonemes, speed: made.append(phonemes) or spectra(phonemes, speed)
    )
    monkeypatch.setattr(pronunciation, "_APPLIED", 1.0)
    timbre = dataclasses.replace(random_timbre(rng), pronunciation=Pronunciation(instead=instead))
    utterance = engine.say("what are your hours on thursday", rng, timbre=timbre)
    assert [word.text for word in utterance.words] == "what are your hours on thursday".split()
    assert ("θ" in made[0], "ɹ" in made[0]) == ((not instead), (not instead))
