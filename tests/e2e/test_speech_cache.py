"""What benchmarks keep of speech is what was spoken, and nothing is spoken twice."""

import sys
from pathlib import Path

import numpy as np
import pytest

from voiceagent.scenes import Utterance, speaker

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from speech_cache import CachedSpeaker


class Counted:
    """Whoever it is asked for, and how often."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, speaker_id: str) -> "Counted":
        self.asked.append(speaker_id)
        return self

    def say(self, text: str, take: int = 0) -> Utterance:
        return speaker(self.asked[-1]).say(text, take)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_a_sentence_is_spoken_once_and_read_back_sample_for_sample(tmp_path, counted):
    cached = CachedSpeaker("flite:slt", tmp_path, counted)
    first, again = cached.say("hello there"), cached.say("hello there")
    whole = speaker("flite:slt").say("hello there")
    assert np.array_equal(again.pcm, whole.pcm)
    assert np.array_equal(first.pcm, whole.pcm)
    assert (again.words, again.phones) == (whole.words, whole.phones)
    assert counted.asked == ["flite:slt"]


@pytest.mark.parametrize(
    ("voice", "text", "take"),
    [("flite:rms", "hello", 0), ("flite:slt", "goodbye", 0), ("flite:slt", "hello", 1)],
)
def test_another_voice_text_or_take_is_spoken(tmp_path, counted, voice, text, take):
    CachedSpeaker("flite:slt", tmp_path, counted).say("hello")
    other = CachedSpeaker(voice, tmp_path, counted).say(text, take)
    assert np.array_equal(other.pcm, speaker(voice).say(text, take).pcm)
    assert len(counted.asked) == 2
