import numpy as np
import pytest

from voiceagent.training import voice_data


@pytest.mark.slow
def test_voice_shard_holds_tracks_of_the_length_of_its_sound(monkeypatch):
    monkeypatch.setattr(voice_data, "SENTENCES_PER_SHARD", 3)
    shard, again = (voice_data.voice_shard(2, 4) for _ in range(2))
    hops = len(shard["pcm"]) // 240
    assert shard["harmonic"].shape == (hops, 64)
    assert shard["noise"].shape == (hops, 40)
    assert shard["pitch_hz"].shape == (hops,)
    assert shard["phones"].shape == (hops // 2,)
    for name, values in shard.items():
        np.testing.assert_array_equal(values, again[name])
