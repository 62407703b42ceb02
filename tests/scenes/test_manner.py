import dataclasses

import numpy as np
import pytest

from voiceagent.scenes.manner import Manner, random_manner
from voiceagent.scenes.timbre import Spectra, apply_timbre, random_timbre

BINS, FRAMES, STARTS = 601, 60, [6, 20, 34, 48]


@pytest.fixture
def levels():
    """A resonance at 2 kHz in every sound, the second and the fourth one louder."""
    peak = 3 * np.exp(-((np.arange(BINS) - 100.0) ** 2) / 200)[:, None]
    loudness = np.zeros(FRAMES)
    loudness[20:34] = loudness[48:] = 2.0
    level = (peak + loudness - 5).astype(np.float32)
    return [level, level - 2, level - 3]


def test_a_manner_without_anything_changes_nothing(levels, rng):
    for level, same in zip(levels, Manner().articulate(levels, STARTS, rng), strict=True):
        np.testing.assert_allclose(same, level, atol=1e-4)
    np.testing.assert_array_equal(Manner().retime(STARTS, FRAMES, rng), np.arange(FRAMES))


def test_accent_moves_the_resonance_of_each_sound_by_itself(levels, rng):
    changed = Manner(accent=0.1).articulate(levels, STARTS, rng)[0]
    peaks = changed.argmax(0)
    assert len({int(peak) for peak in peaks}) == 5  # before the first start is a sound, too
    for first, end in zip([0, *STARTS], [*STARTS, FRAMES], strict=True):
        assert len(set(peaks[first:end].tolist())) == 1
    assert np.abs(np.log(peaks / 100)).max() < 0.4


def test_colour_is_the_same_in_all_parts_of_a_sound(levels, rng):
    changed = Manner(colour=0.5).articulate(levels, STARTS, rng)
    added = [after - before for after, before in zip(changed, levels, strict=True)]
    np.testing.assert_allclose(added[0], added[1], atol=1e-4)
    assert 0.3 < added[0].std() < 0.8
    np.testing.assert_allclose(added[0][:, 6], added[0][:, 19], atol=1e-4)
    assert np.abs(added[0][:, 19] - added[0][:, 20]).max() > 0.1


def test_dynamics_and_distinctness_scale_what_they_say(levels, rng):
    flat = Manner(dynamics=0.5).articulate(levels, STARTS, rng)[0]
    assert flat[100, 25] - flat[100, 10] == pytest.approx(1.0, abs=0.05)
    distinct = Manner(distinctness=1.5).articulate(levels, STARTS, rng)[0]
    assert distinct[100, 25] - distinct[100, 10] == pytest.approx(3.0, abs=0.05)


def test_blur_lets_sounds_run_into_each_other(levels, rng):
    blurred = Manner(blur_frames=2.0).articulate(levels, STARTS, rng)[0]
    assert levels[0][100, 19] == levels[0][100, 18]
    assert blurred[100, 19] > blurred[100, 16] + 0.3
    assert blurred[100, 27] == pytest.approx(levels[0][100, 27], abs=0.01)


def test_retime_plays_all_frames_in_order_and_every_sound_in_its_own_time(rng):
    frames = Manner(rhythm=0.4).retime(STARTS, FRAMES, rng)
    assert (np.diff(frames) >= 0).all()
    assert (frames[0], frames.max() < FRAMES) == (0, True)
    lengths = np.diff(np.searchsorted(frames, [*STARTS, FRAMES]))
    assert len(set(lengths.tolist())) > 1


def test_a_timbre_with_a_manner_says_when_its_sounds_begin(rng):
    timbre = random_timbre(np.random.default_rng(1))
    bins = rng.standard_normal((BINS, FRAMES)).astype(np.float32)
    plain = Spectra(bins, bins, bins, bins, bins, np.full(FRAMES, 200, np.float32))
    made = dataclasses.replace(timbre, uneven=False, manner=random_manner(rng))
    warped, starts = apply_timbre(made, plain, [0, *STARTS, FRAMES], rng)
    assert warped.log_noise.shape == (BINS, len(warped.pitch_hz))
    assert starts == sorted(starts)
    assert starts[-1] == len(warped.pitch_hz)
    assert warped.log_noise.dtype == np.float32
