import numpy as np
import pytest

from voiceagent.scenes.phones import PHONE_IDS
from voiceagent.scenes.utterance import Phone, Utterance, Word
from voiceagent.training import speech


def test_phone_track_has_one_phone_per_20_ms_and_pauses_after():
    phones = (Phone("s", 0), Phone("iy", 60), Phone("pau", 100))
    utterance = Utterance(np.ones(120 * 24, np.float32), (Word("see", 0, 120),), phones)
    names = ["s", "s", "s", "iy", "iy", "pau", "pau", "pau"]
    assert speech.phone_track(utterance, 8).tolist() == [PHONE_IDS[name] for name in names]


def test_to_int16_clips_and_rounds():
    pcm = np.array([0.0, 1.0, -2.0, 0.5], np.float32)
    assert speech.to_int16(pcm).tolist() == [0, 32767, -32767, 16384]


def test_pauses_are_mostly_short_and_often_longer_than_the_encoder_hears_back():
    rng = np.random.default_rng(0)
    pauses_ms = np.array([20 * speech.pause_packets(rng) for _ in range(500)])
    assert np.mean(pauses_ms < 320) > 0.5
    assert np.mean(pauses_ms >= 1000) > 0.1


@pytest.mark.slow
def test_speech_shard_repeats_itself_and_labels_most_of_the_sound(monkeypatch):
    monkeypatch.setattr(speech, "SENTENCES_PER_SHARD", 6)
    shard, again = (speech.speech_shard(3, 1) for _ in range(2))
    np.testing.assert_array_equal(shard["pcm"], again["pcm"])
    assert len(shard["pcm"]) == 480 * len(shard["phones"])
    level = np.abs(shard["pcm"].reshape(-1, 480).astype(float)).mean(1)
    labelled = shard["phones"] > 0
    assert level[labelled].mean() > 10 * level[~labelled].mean()
    assert len(set(shard["phones"])) > 15
