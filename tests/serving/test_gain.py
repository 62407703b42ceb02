import numpy as np
import pytest

from voiceagent.serving.gain import FADE_SAMPLES, RAMP_SAMPLES, gain_of, with_gain
from voiceagent.turntaking.types import Audio, Decision, Reason, State

ONES = np.ones(1920, np.float32)


@pytest.mark.parametrize(
    ("audio", "gain"), [("pass", 1.0), ("duck", 0.5), ("fade", 0.0), ("mute", 0.0)]
)
def test_gain_is_what_was_decided(audio, gain):
    decision = Decision(
        state=State.SPEAK, reason=Reason.STAY, audio=Audio(audio), gain_db=20 * np.log10(0.5)
    )
    assert gain_of(decision) == pytest.approx(gain)


def test_sound_that_passes_is_the_same_sound():
    assert with_gain(ONES, 1.0, 1.0) is ONES


@pytest.mark.parametrize("gain", [0.0, 0.5])
def test_gain_that_stays_is_the_same_for_all_samples(gain):
    assert set(with_gain(ONES, gain, gain).tolist()) == {gain}


@pytest.mark.parametrize(
    ("before", "gain", "samples"),
    [(1, 0.5, RAMP_SAMPLES), (0.5, 1, RAMP_SAMPLES), (0, 1, RAMP_SAMPLES), (1, 0, FADE_SAMPLES)],
)
def test_gain_that_changes_does_so_without_a_click(before, gain, samples):
    found = with_gain(ONES, before, gain)
    assert (found[0], found[samples - 1], found[-1]) == (before, gain, gain)
    assert np.abs(np.diff(found)).max() <= 1.01 / (samples - 1)
    assert found.dtype == np.float32
