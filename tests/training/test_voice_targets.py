import numpy as np
import pytest
import torch
from voiceagent_codec.source_filter import SourceFilter

from voiceagent.scenes.hibari import hibari_engine
from voiceagent.training import voice_targets


def test_band_centres_span_the_band():
    centres = voice_targets.band_centres(40)
    assert centres[0] == pytest.approx(40)
    assert centres[-1] == pytest.approx(12_000)
    assert (np.diff(centres) > 0).all()


def test_mean_by_band_of_a_flat_spectrum_is_flat():
    power = np.full((3, 481), 2.0)
    np.testing.assert_allclose(voice_targets._mean_by_band(power, 25.0, 64), 2.0)


def test_pitch_is_that_of_the_nearest_frame_and_0_where_unvoiced():
    ones = np.ones((601, 8), np.float32)
    pitch = np.array([0, 100, 100, 0, 0, 200, 200, 0], np.float32)
    spectra = voice_targets.Spectra(ones, ones, ones, ones, ones, pitch)
    track = voice_targets._pitch(spectra, 10)
    # rows of 10 ms from -10 ms on, frames of 12.5 ms
    assert (track > 0).tolist() == [False, False, True, True, True, False, False, True, True, True]
    assert track[2] == pytest.approx(100)
    assert track[8] == pytest.approx(200)


@pytest.mark.slow
def test_the_source_filter_given_the_targets_sounds_like_the_voice():
    text = "nice to meet you anna"
    targets = voice_targets.analyse(hibari_engine(), text, 1.0, np.random.default_rng(0))
    assert len(targets.pcm) == 240 * len(targets.pitch_hz) == 480 * len(targets.phones)
    log_pitch = np.log(np.maximum(targets.pitch_hz, 60.0))
    tracks = np.concatenate(
        (
            targets.harmonic + 5,
            targets.noise + 8,
            ((log_pitch - 5.3) / 0.3)[:, None],
            np.where(targets.pitch_hz > 0, 1.0, -1.0)[:, None],
        ),
        axis=1,
    )
    source = SourceFilter(1920)
    sound = source(torch.from_numpy(tracks).float()[None], source.init_state(1, "cpu"), None)
    said, meant = sound[0, 720:].numpy(), targets.pcm[:-720]
    levels = [
        np.log(np.sqrt((x[: len(x) // 480 * 480].reshape(-1, 480) ** 2).mean(1)) + 1e-3)
        for x in (said, meant)
    ]
    assert np.corrcoef(*levels)[0, 1] > 0.97
