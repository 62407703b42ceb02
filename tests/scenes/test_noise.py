import numpy as np
import pytest

from voiceagent.audio.level import rms_dbfs
from voiceagent.scenes import noise

NUM_SAMPLES = 24_000


def voices(rng):
    return [rng.standard_normal(n).astype(np.float32) for n in (5000, 7000, 30_000)]


@pytest.mark.parametrize("make", [noise.white_noise, noise.coloured_noise, noise.tune])
@pytest.mark.parametrize("dbfs", [-60.0, -26.0])
def test_noise_has_the_level_asked_for(make, dbfs):
    for seed in range(5):
        sound = make(np.random.default_rng(seed), NUM_SAMPLES, dbfs)
        assert sound.dtype == np.float32
        assert sound.shape == (NUM_SAMPLES,)
        assert rms_dbfs(sound) == pytest.approx(dbfs, abs=0.01)


def test_coloured_noise_of_one_seed_repeats_and_of_others_differs():
    one, again, other = (
        noise.coloured_noise(np.random.default_rng(seed), 4800, -30) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_white_noise_has_as_much_power_in_both_halves_of_the_band(rng):
    power = np.abs(np.fft.rfft(noise.white_noise(rng, NUM_SAMPLES, -20))) ** 2
    assert power[:6000].sum() == pytest.approx(power[6000:12000].sum(), rel=0.1)


def test_a_tune_has_its_power_in_few_tones_and_is_another_one_for_another_seed():
    tunes = [noise.tune(np.random.default_rng(seed), 4 * NUM_SAMPLES, -30) for seed in (1, 2)]
    for sound in tunes:
        power = np.sort(np.abs(np.fft.rfft(sound)) ** 2)
        assert power[-len(power) // 20 :].sum() > 0.9 * power.sum()
    assert not np.array_equal(*tunes)


def test_babble_has_the_level_and_length_asked_for(rng):
    crowd = noise.babble(rng, voices(rng), NUM_SAMPLES, -30)
    assert crowd.shape == (NUM_SAMPLES,)
    assert rms_dbfs(crowd) == pytest.approx(-30, abs=0.01)


def test_babble_without_voices_is_refused(rng):
    with pytest.raises(ValueError, match="voices"):
        noise.babble(rng, [], NUM_SAMPLES, -30)


def test_at_level_of_silence_stays_silence():
    assert not noise.at_level(np.zeros(10), -20).any()
