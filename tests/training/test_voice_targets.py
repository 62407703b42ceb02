import numpy as np
import pytest
import torch
from voiceagent_codec.source_filter import SourceFilter, band_interpolation

from voiceagent.scenes.hibari import hibari_engine
from voiceagent.training import voice_targets


def test_levels_between_bands_are_fitted_exactly():
    bands = np.random.default_rng(0).normal(-4, 2, (3, 64))
    levels = (bands @ band_interpolation(64, 601).numpy()).T.astype(np.float32)
    np.testing.assert_allclose(voice_targets._fitted(levels), bands, atol=0.01)


def test_a_band_has_the_mean_power_of_its_bins():
    levels = np.full((601, 2), 0.5)
    np.testing.assert_allclose(voice_targets._mean_power(levels), 0.5, atol=1e-6)
    levels[::2] = -10.0  # half of the bins: 3 dB less, not half of the log
    high = voice_targets._mean_power(levels)[0, -5:]
    np.testing.assert_allclose(high, 0.5 - 0.5 * np.log(2), atol=0.05)


def test_pitch_is_that_of_the_nearest_frame_and_0_where_unvoiced():
    ones = np.ones((601, 8), np.float32)
    pitch = np.array([0, 100, 100, 0, 0, 200, 200, 0], np.float32)
    spectra = voice_targets.Spectra(ones, ones, ones, ones, ones, pitch)
    track = voice_targets._pitch(spectra, voice_targets._frames_of(10))
    # rows of 10 ms from -10 ms on, frames of 12.5 ms
    assert (track > 0).tolist() == [False, False, True, True, True, False, False, True, True, True]
    assert track[2] == pytest.approx(100)
    assert track[8] == pytest.approx(200)


def rendered(targets, pitch_hz):
    log_pitch = np.log(np.maximum(pitch_hz, 60.0))
    tracks = np.concatenate(
        (
            targets.harmonic + 5,
            targets.noise + 8,
            ((log_pitch - 5.3) / 0.3)[:, None],
            np.where(pitch_hz > 0, 1.0, -1.0)[:, None],
        ),
        axis=1,
    )
    source = SourceFilter(1920)
    sound = source(torch.from_numpy(tracks).float()[None], source.init_state(1, "cpu"), None)
    return sound[0, 720:]


def away(said, meant):
    """Spectral convergence."""
    window = torch.hann_window(1024)
    said, meant = (
        torch.stft(x, 1024, 256, window=window, return_complex=True).abs() for x in (said, meant)
    )
    return float((said - meant).norm() / meant.norm())


@pytest.mark.slow
def test_the_source_filter_given_the_targets_sounds_like_the_voice():
    text = "nice to meet you anna"
    targets = voice_targets.analyse(hibari_engine(), text, 1.0, np.random.default_rng(0))
    assert len(targets.pcm) == 240 * len(targets.pitch_hz) == 480 * len(targets.phones)
    meant = torch.from_numpy(targets.pcm[:-720])
    right = away(rendered(targets, targets.pitch_hz), meant)
    assert right < 0.5
    for rows in (-2, 2):  # a pitch that comes too late or too early is heard at once
        assert away(rendered(targets, np.roll(targets.pitch_hz, rows)), meant) > 1.1 * right
