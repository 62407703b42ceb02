import numpy as np
import pytest
import torch
import torchaudio
from voiceagent_codec.mel import (
    BINS,
    LogMel,
    WhisperMel,
    hz_to_mel,
    mel_filters,
    mel_to_hz,
    whisper_filters,
)


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


def test_whisper_filters_are_those_of_the_slaney_scale():
    mine = whisper_filters(80)
    other = torchaudio.functional.melscale_fbanks(
        201, 0.0, 8000.0, 80, 16_000, norm="slaney", mel_scale="slaney"
    )
    torch.testing.assert_close(mine[:, :201], other.T, atol=2e-6, rtol=0)
    assert not mine[:, 201:].any(), "Whisper hears up to 8 kHz"


def test_whisper_mel_is_what_whispers_own_front_end_makes_of_the_sound(make_speech):
    """Of the same sound at 16 kHz; Whisper's windows are centred, so they are 15 ms ahead."""
    from faster_whisper.feature_extractor import FeatureExtractor

    pcm = make_speech(2.4)
    mel = WhisperMel()
    mine = mel(pcm, mel.init_state(1, "cpu"), None)[0]
    narrow = torchaudio.functional.resample(pcm, 24_000, 16_000, lowpass_filter_width=64)
    theirs = torch.from_numpy(FeatureExtractor()(narrow[0].numpy(), padding=0)).T
    # windows of both end at (n + 1) * 10 ms where mine is two frames later and theirs 2.5 ms off
    mine, theirs = mine[20:200], theirs[19:199]
    loud = theirs > theirs.max() - 1.0
    assert (mine - theirs)[loud].abs().mean() < 0.08


@pytest.mark.parametrize("kind", [LogMel, WhisperMel])
def test_a_mel_says_its_own_scale(kind, make_speech):
    mel = kind()
    soft, loud = (
        mel(gain * make_speech(0.8), mel.init_state(1, "cpu"), None) for gain in (0.1, 1.0)
    )
    is_loud = soft > soft.max() - 0.5
    change = (loud - soft)[is_loud] / np.log(10)
    torch.testing.assert_close(change, torch.full_like(change, mel.scale), atol=0.02, rtol=0)
    silence = mel(torch.zeros(1, 2400), mel.init_state(1, "cpu"), None)
    torch.testing.assert_close(silence, torch.full_like(silence, mel.least), atol=1e-5, rtol=0)
