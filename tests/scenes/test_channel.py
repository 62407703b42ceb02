import numpy as np
import pytest

from voiceagent.audio.framing import PACKET_SAMPLES
from voiceagent.audio.level import rms_dbfs
from voiceagent.scenes.channel import Conditions, hear, random_conditions

SAMPLES = 24_000


@pytest.fixture
def sounds(rng):
    user, agent = 0.2 * rng.standard_normal((2, SAMPLES)).astype(np.float32)
    user[: SAMPLES // 2] = 0
    agent[SAMPLES // 2 :] = 0
    return user, agent


def heard(sounds, speaker_of=None, **conditions):
    return hear(*sounds, Conditions(has_floor=False, **conditions), 3, speaker_of)


def test_hear_without_conditions_changes_nothing(sounds):
    np.testing.assert_array_equal(heard(sounds), np.clip(sounds[0], -1, 1))


def test_hear_an_echo_adds_the_agent_later_and_softer(sounds):
    echo = heard(sounds, echo_db=-20.0) - heard(sounds)
    onset = np.flatnonzero(np.abs(echo) > 1e-6)[0]
    assert 0.02 * SAMPLES <= onset <= 0.2 * SAMPLES
    assert rms_dbfs(echo[onset : onset + 9600]) == pytest.approx(
        rms_dbfs(sounds[1][:9600]) - 20, abs=2
    )


def test_hear_in_a_room_keeps_the_length_and_starts_no_earlier(sounds):
    wet = heard(sounds, is_in_room=True)
    assert len(wet) == SAMPLES
    assert np.abs(wet[: SAMPLES // 2]).max() < 1e-6
    assert not np.array_equal(wet, heard(sounds))


def test_hear_with_a_gain_is_that_much_louder(sounds):
    assert rms_dbfs(heard(sounds, gain_db=-6.0)) == pytest.approx(rms_dbfs(sounds[0]) - 6, abs=0.1)


def test_hear_by_telephone_leaves_nothing_above_the_band_not_even_the_floor(sounds):
    pcm = hear(*sounds, Conditions(is_telephone=True, has_floor=True), 3, None)
    spectrum = np.abs(np.fft.rfft(pcm))
    assert spectrum[SAMPLES * 4 // 24 :].max() < 1e-4 * spectrum.max()


def test_hear_with_losses_misses_whole_packets(sounds):
    user = np.full(SAMPLES * 10, 0.5, np.float32)
    packets = heard((user, user), lost_share=0.1).reshape(-1, PACKET_SAMPLES)
    assert set(packets.min(axis=1)) | set(packets.max(axis=1)) == {0.0, 0.5}
    assert 0.03 < (packets.max(axis=1) == 0).mean() < 0.2


def test_random_conditions_are_of_every_kind(rng):
    drawn = [random_conditions(rng) for _ in range(200)]
    for field in ("noise_dbfs", "echo_db"):
        assert {getattr(conditions, field) is None for conditions in drawn} == {True, False}
    for field in ("is_babble", "is_telephone", "has_floor", "is_in_room"):
        assert {getattr(conditions, field) for conditions in drawn} == {True, False}
    assert {conditions.lost_share > 0 for conditions in drawn} == {True, False}
