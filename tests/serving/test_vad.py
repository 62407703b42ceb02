"""Voice activity: real networks on real speech."""

import sys

import numpy as np
import pytest
import soxr

from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.errors import DetectorUnavailable
from voiceagent.serving.vad import SileroVad, WebRtcVad


@pytest.fixture(scope="module")
def speech():
    """A spoken question at 16 kHz with a second of silence on both sides: f32 [T, 1280]."""
    pcm = np.pad(soxr.resample(read_wav(QUESTION).pcm, 24_000, 16_000), 16_000)
    return pcm[: len(pcm) // 1280 * 1280].reshape(-1, 1280).astype(np.float32)


def listen(vad, frames, slot=0):
    return np.array([vad.probabilities([slot], frame[None])[0] for frame in frames])


@pytest.mark.parametrize("kind", [SileroVad, WebRtcVad])
def test_speech_is_told_from_silence(kind, speech):
    found = listen(kind(1), speech)
    level = np.sqrt(np.mean(speech**2, axis=1))
    assert found[level > 0.05].mean() > 0.9
    assert found[:10].max() < 0.35


def test_silero_is_not_taken_in_by_noise_as_webrtcvad_is():
    noise = np.random.default_rng(3).normal(0, 0.02, (60, 1280)).astype(np.float32)
    assert np.mean(listen(SileroVad(1), noise)[5:] > 0.5) < 0.05


def test_a_frame_is_two_and_a_half_looks_and_none_is_lost(speech):
    vad = SileroVad(1)
    joined = np.concatenate(speech)
    listen(vad, speech[:7])
    assert vad._has_half[0]
    assert np.array_equal(vad._history[0], joined[7 * 1280 - 320 : 7 * 1280])


def test_sessions_out_of_phase_hear_what_they_would_alone(speech):
    both, first, second = SileroVad(3), SileroVad(1), SileroVad(1)
    listen(both, speech[:3], slot=2)
    listen(first, speech[:3])
    for one, other in zip(speech[3:20], speech[20:37], strict=False):
        found = both.probabilities([0, 2], np.stack([other, one]))
        alone = [listen(second, [other])[0], listen(first, [one])[0]]
        assert np.allclose(found, alone, atol=1e-6)


@pytest.mark.parametrize("kind", [SileroVad, WebRtcVad])
def test_a_new_session_is_like_the_first(kind, speech):
    vad = kind(2)
    listen(vad, speech[:9], slot=1)
    vad.begin(1)
    assert np.array_equal(listen(vad, speech[9:20], slot=1), listen(kind(1), speech[9:20]))


def test_a_missing_webrtcvad_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(DetectorUnavailable, match=r"voiceagent\[turns\]"):
        WebRtcVad(1)
