import numpy as np
import pytest

from voiceagent.audio.framing import PACKET_SAMPLES
from voiceagent.audio.level import rms_dbfs
from voiceagent.gateway.phone.mouth import Mouth, comfort_noise


def frame(level):
    return np.full(1920, level, np.float32)


def take(mouth, count, begin=0):
    return np.concatenate([mouth.take(begin + n) for n in range(count)])


def test_the_agent_is_heard_in_packets_of_20_ms():
    mouth = Mouth()
    mouth.push(frame(0.5), 0, 0)
    sound = take(mouth, 4)
    assert sound.size == 4 * PACKET_SAMPLES == 1920
    np.testing.assert_array_equal(sound[PACKET_SAMPLES:], frame(0.5)[PACKET_SAMPLES:])


def test_an_announcement_is_heard_in_place_of_the_agent_who_goes_on_unheard():
    mouth = Mouth()
    mouth.push(frame(0.5), 0, 0)
    mouth.say(frame(0.2)[:600])
    assert mouth.left_ms == 25
    sound = take(mouth, 4)
    assert set(sound[:600]) == {np.float32(0.2)}
    assert not sound[600:960].any()  # the announcement's last packet is its own
    assert set(sound[960:]) == {np.float32(0.5)}
    assert mouth.left_ms == 0


def test_a_line_is_never_dead():
    sound = take(Mouth(-66.0), 150)
    assert rms_dbfs(sound) == pytest.approx(-66, abs=0.5)
    assert np.abs(sound).max() < 0.005


def test_the_noise_goes_on_without_a_seam_over_the_second():
    mouth = Mouth(-60.0)
    sound = take(mouth, 10, begin=45)
    steps = np.abs(np.diff(sound))
    assert steps[5 * PACKET_SAMPLES - 1] < 4 * steps.std() + steps.mean()


def test_noise_may_be_left_out():
    assert not comfort_noise(-100.0).any()
