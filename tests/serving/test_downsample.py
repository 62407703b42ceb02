"""Sound at a detector's rate, frame by frame."""

import numpy as np
import pytest

from voiceagent.serving.downsample import Downsampler

DELAY_S = 16 / 24_000


def tone(hz, seconds=0.8):
    return np.sin(2 * np.pi * hz * np.arange(int(24_000 * seconds)) / 24_000).astype(np.float32)


def resampled(rate_hz, pcm, slot=0):
    downsampler = Downsampler(rate_hz, slot + 1)
    frames = [downsampler.frames([slot], frame[None])[0] for frame in pcm.reshape(-1, 1920)]
    return np.concatenate(frames)


@pytest.mark.parametrize(("rate_hz", "hz"), [(16_000, 300), (16_000, 5000), (8000, 2500)])
def test_a_tone_in_the_band_comes_out_as_it_was(rate_hz, hz):
    out = resampled(rate_hz, tone(hz))
    expected = np.sin(2 * np.pi * hz * (np.arange(len(out)) / rate_hz - DELAY_S))
    assert np.abs(out - expected)[100:].max() < 0.05


@pytest.mark.parametrize(("rate_hz", "hz"), [(16_000, 9500), (8000, 5500)])
def test_a_tone_above_the_band_does_not_fold_into_it(rate_hz, hz):
    assert np.abs(resampled(rate_hz, tone(hz))[100:]).max() < 0.01


def test_slots_do_not_hear_each_other():
    downsampler, alone = Downsampler(16_000, 2), Downsampler(16_000, 1)
    for frame in tone(700).reshape(-1, 1920):
        both = downsampler.frames([1, 0], np.stack([frame[::-1], frame]))
        assert np.array_equal(both[1], alone.frames([0], frame[None])[0])


def test_a_new_session_hears_nothing_of_the_old_one():
    downsampler = Downsampler(16_000, 1)
    downsampler.frames([0], tone(700)[None, :1920])
    downsampler.begin(0)
    assert not downsampler.frames([0], np.zeros((1, 1920), np.float32)).any()
