import numpy as np
import pytest

from voiceagent.errors import ConfigError
from voiceagent.scenes import speakers

IDS = [
    "espeak:en-us+f2",
    "espeak:seed-7",
    "flite:kal",
    "flite:seed-7",
    "hibari:heart",
    "hibari:warp-1234",
]


@pytest.mark.parametrize("speaker_id", IDS)
def test_speaker_of_a_known_id_keeps_id_and_kind(speaker_id):
    somebody = speakers.speaker(speaker_id)
    assert somebody.id == speaker_id
    assert somebody.kind == speaker_id.split(":")[0]


@pytest.mark.parametrize(
    "speaker_id", ["", "bob", "flite:bob", "espeak:fr", "hibari:warp-x", "flite:warp-3", "piper:1"]
)
def test_speaker_of_an_unknown_id_names_the_known(speaker_id):
    with pytest.raises(ConfigError, match="slt, rms, awb"):
        speakers.speaker(speaker_id)


def test_random_speaker_is_never_held_out(rng):
    people = [speakers.random_speaker(rng) for _ in range(300)]
    assert {person.kind for person in people} == set(speakers.KINDS)
    flites = {person.voice for person in people if person.kind == "flite"}
    assert flites == {"slt", "rms", "awb", "kal16"}
    assert speakers.HELD_OUT == {"flite:kal"}


def test_random_speaker_of_one_kind_is_found_again_by_id(rng):
    somebody = speakers.random_speaker(rng, ["espeak"])
    speakers.speaker.cache_clear()
    assert speakers.speaker(somebody.id) == somebody
    assert somebody.kind == "espeak"


def test_random_speaker_of_an_unknown_kind_names_the_known(rng):
    with pytest.raises(ConfigError, match="espeak, flite, hibari"):
        speakers.random_speaker(rng, ["piper"])


@pytest.mark.slow
@pytest.mark.parametrize("speaker_id", IDS)
def test_say_repeats_one_take_and_varies_between_takes(speaker_id):
    somebody = speakers.speaker(speaker_id)
    first, again, other = (somebody.say("nice to meet you", take).pcm for take in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other)
