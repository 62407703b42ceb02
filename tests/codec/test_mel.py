import numpy as np
import torch
from voiceagent_codec.mel import BINS, LogMel, hz_to_mel, mel_filters, mel_to_hz


def test_mel_scale_puts_1000_hz_near_1000_mel_and_inverts():
    assert abs(hz_to_mel(1000) - 1000) < 0.1
    np.testing.assert_allclose(
        mel_to_hz(hz_to_mel(np.array([20.0, 440, 12_000]))), [20, 440, 12_000]
    )


def test_mel_filters_are_positive_with_unit_sum_and_rising_centres():
    filters = mel_filters(40)
    assert filters.shape == (40, BINS)
    assert filters.min() >= 0
    torch.testing.assert_close(filters.sum(1), torch.ones(40))
    assert (filters.argmax(1).diff() >= 0).all()


def test_log_mel_of_a_tone_peaks_in_the_band_of_its_frequency():
    mel = LogMel(80)
    tone = 0.5 * torch.sin(2 * torch.pi * 1000 * torch.arange(9600) / 24_000)[None]
    frames = mel(tone, mel.init_state(1, "cpu"), None)
    assert frames.shape == (1, 40, 80)
    edges = np.linspace(hz_to_mel(20), hz_to_mel(12_000), 82)
    assert abs(int(frames[0, -1].argmax()) - int(np.argmin(abs(edges[1:-1] - 1000)))) <= 1


def test_log_mel_of_silence_is_finite_and_constant():
    mel = LogMel(80)
    frames = mel(torch.zeros(1, 4800), mel.init_state(1, "cpu"), None)
    assert torch.isfinite(frames).all()
    assert frames.std() < 1e-6
