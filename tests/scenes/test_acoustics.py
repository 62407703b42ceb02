import numpy as np
import pytest

from voiceagent.scenes import acoustics


def sine(hz, num_samples=24_000):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(num_samples) / 24_000)).astype(np.float32)


def rms(pcm):
    return float(np.sqrt(np.mean(np.square(pcm[2400:-2400]))))


def test_gain_of_minus_20_db_is_a_tenth():
    np.testing.assert_allclose(acoustics.gain(sine(100), -20), sine(100) * 0.1, atol=1e-7)


def test_low_pass_keeps_low_and_weakens_high_frequencies():
    assert rms(acoustics.low_pass(sine(200), 2500)) == pytest.approx(rms(sine(200)), rel=0.01)
    assert rms(acoustics.low_pass(sine(5000), 2500)) < 0.3 * rms(sine(5000))


def test_room_response_starts_with_the_direct_sound_and_decays(rng):
    for _ in range(10):
        response = acoustics.room_response(rng)
        assert response[0] == 1.0
        assert 1200 <= len(response) <= 9600
        half = len(response) // 2
        assert np.abs(response[1:half]).max() > 3 * np.abs(response[half:]).max()


def test_reverberate_equals_a_direct_convolution(rng):
    response = acoustics.room_response(rng, 0.1)
    pcm = sine(300, 500)
    np.testing.assert_allclose(
        acoustics.reverberate(pcm, response), np.convolve(pcm, response), atol=1e-5
    )


@pytest.mark.parametrize(
    ("hz", "is_kept"), [(100, False), (1000, True), (3000, True), (5000, False)]
)
def test_telephone_keeps_only_its_band(hz, is_kept):
    share = rms(acoustics.telephone(sine(hz))) / rms(sine(hz))
    assert share == pytest.approx(1.0, abs=0.05) if is_kept else share < 0.02


@pytest.mark.parametrize("num_samples", [1, 2, 5, 1919])
def test_telephone_of_any_length_keeps_it(num_samples):
    assert acoustics.telephone(sine(1000, num_samples)).shape == (num_samples,)


def test_telephone_moves_nothing_in_time():
    heard = acoustics.telephone(sine(1000))
    assert np.dot(heard, sine(1000)) > 0.98 * np.dot(sine(1000), sine(1000))


def test_mu_law_round_trip_gives_the_levels_of_the_standard():
    linear = np.array([0, 3, 5, 104, 1000, 32767, -1000, -32768])
    decoded = acoustics.mu_law_round_trip(linear / 32768.0) * 32768
    assert decoded.tolist() == [0, 0, 8, 104, 988, 32124, -988, -32124]


def test_mu_law_round_trip_has_255_levels_and_repeats_none(rng):
    once = acoustics.mu_law_round_trip(np.arange(-32768, 32768) / 32768)
    assert len(np.unique(once)) == 255
    np.testing.assert_array_equal(acoustics.mu_law_round_trip(once), once)
