import pytest

from voiceagent.scenes.manner import Manner
from voiceagent.scenes.speakers import speaker
from voiceagent.training.manners import with_manner


def manner_of(speaker_id, **options):
    return with_manner(speaker(speaker_id), **options).timbre.manner


def test_most_natural_voices_have_a_manner_of_their_own():
    manners = [manner_of(f"hibari:warp-{number}") for number in range(60)]
    found = [manner for manner in manners if manner is not None]
    assert 36 <= len(found) < 60
    assert len(set(found)) == len(found)
    assert manners[7] == manner_of("hibari:warp-7")


def test_only_the_rhythm_is_kept_for_the_encoder():
    number = next(n for n in range(9) if manner_of(f"hibari:warp-{n}") is not None)
    whole = manner_of(f"hibari:warp-{number}")
    assert manner_of(f"hibari:warp-{number}", only_rhythm=True) == Manner(rhythm=whole.rhythm)


def test_many_of_them_have_an_accent_but_none_whose_sounds_are_learnt():
    speakers = [speaker(f"hibari:warp-{number}") for number in range(60)]
    accents = [with_manner(each).timbre.pronunciation for each in speakers]
    assert 15 <= sum(accent is not None for accent in accents) < 45
    assert all(with_manner(s, only_rhythm=True).timbre.pronunciation is None for s in speakers)


@pytest.mark.parametrize("speaker_id", ["hibari:heart", "espeak:seed-3", "flite:slt"])
def test_others_speak_as_they_are(speaker_id):
    assert with_manner(speaker(speaker_id)) is speaker(speaker_id)
