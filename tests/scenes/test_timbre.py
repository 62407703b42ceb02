import numpy as np

from voiceagent.scenes import timbre


def spectra(num_frames):
    bins = np.ones((timbre.BINS, num_frames), np.float32)
    pitch_hz = np.linspace(0, 200, num_frames, dtype=np.float32)
    return timbre.Spectra(bins, bins, bins, bins, bins, pitch_hz)


def test_random_timbre_from_the_same_seed_is_the_same():
    first, second = (timbre.random_timbre(np.random.default_rng(3)) for _ in range(2))
    assert (first.formants, first.pitch) == (second.formants, second.pitch)


def test_stretch_moves_a_resonance_by_the_factor():
    peak = np.exp(-((np.arange(timbre.BINS) - 200.0) ** 2) / 50)[:, None].astype(np.float32)
    assert np.argmax(timbre._stretch(peak, 1.2)) == 240
    assert np.argmax(timbre._stretch_nearest(peak, 0.8)) == 160


def test_wandering_pace_plays_frames_in_order(rng):
    frames = timbre._wandering_pace(100, rng)
    assert frames[0] >= 0
    assert frames[-1] < 100
    assert (np.diff(frames) >= 0).all()


def test_apply_timbre_scales_the_pitch_of_voiced_frames_only(rng):
    made_up = timbre.Timbre(
        formants=1.0,
        pitch=0.5,
        melody=1.0,
        speed=1.0,
        breath=0.0,
        equaliser=np.zeros((timbre.BINS, 1), np.float32),
        uneven=False,
    )
    warped, _ = timbre.apply_timbre(made_up, spectra(11), [0], rng)
    np.testing.assert_allclose(warped.pitch_hz[4:], spectra(11).pitch_hz[4:] / 2, rtol=1e-5)
    assert not warped.pitch_hz[:4].any()
