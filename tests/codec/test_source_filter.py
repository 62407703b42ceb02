import math

import pytest
import torch
from voiceagent_codec.source_filter import (
    HARMONIC_BANDS,
    NOISE_BANDS,
    NOISE_FRAMES,
    PARAMETERS,
    SourceFilter,
    band_interpolation,
)

BANDS = HARMONIC_BANDS + NOISE_BANDS


@pytest.fixture
def voice() -> SourceFilter:
    return SourceFilter(1920)


def parameters(pitch_hz: float | None, frames: int = 12) -> torch.Tensor:
    values = torch.zeros(1, frames * 8, PARAMETERS)
    values[..., HARMONIC_BANDS:BANDS] = -20
    values[..., BANDS] = (math.log(pitch_hz or 200) - 5.3) / 0.3
    values[..., BANDS + 1] = -1 if pitch_hz is None else 1
    return values


def render(voice: SourceFilter, values: torch.Tensor) -> torch.Tensor:
    return voice(values, voice.init_state(1, "cpu"), None)[0]


@pytest.mark.parametrize("pitch_hz", [90, 220])
def test_source_filter_of_a_voiced_track_repeats_at_its_pitch(voice, pitch_hz):
    samples = render(voice, parameters(pitch_hz))[4800:]
    spectrum = torch.fft.rfft(samples * torch.hann_window(len(samples))).abs()
    hz = torch.arange(len(spectrum)) * 24_000 / len(samples)
    low = (hz > 0.6 * pitch_hz) & (hz < 1.4 * pitch_hz)
    assert abs(float(hz[low][spectrum[low].argmax()]) - pitch_hz) < 2.5


def test_source_filter_of_an_unvoiced_quiet_track_is_almost_silent(voice):
    voiced, unvoiced = render(voice, parameters(150)), render(voice, parameters(None))
    assert unvoiced.square().mean() < 1e-6 * voiced.square().mean()


def test_source_filter_levels_scale_the_sound(voice):
    louder = parameters(150)
    louder[..., :HARMONIC_BANDS] += 1
    ratio = render(voice, louder).square().mean() / render(voice, parameters(150)).square().mean()
    assert abs(0.5 * math.log(ratio) - 1) < 0.01


def test_source_filter_stays_finite_for_extreme_parameters(voice, generator):
    wild = torch.randn(1, 80, PARAMETERS, generator=generator) * 1e4
    assert torch.isfinite(render(voice, wild)).all()


def test_noise_table_position_stays_bounded(voice):
    state = voice.init_state(1, "cpu")
    for _ in range(3):
        voice(parameters(None, frames=50), state, None)
    assert state.frame.tolist() == [150 % NOISE_FRAMES]


def test_band_interpolation_shares_every_bin_between_neighbours():
    matrix = band_interpolation(64)
    torch.testing.assert_close(matrix.sum(0), torch.ones(matrix.shape[1]))
    assert ((matrix > 0).sum(0) <= 2).all()
