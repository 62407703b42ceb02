import sys

import numpy as np
import pytest

from voiceagent.audio.loudness import at_loudness, loudness_lufs
from voiceagent.errors import ConfigError


def sine(amplitude, hz=997.0, seconds=2):
    time_s = np.arange(24_000 * seconds) / 24_000
    return (amplitude * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def test_full_scale_sine_of_997_hz_reads_what_the_recommendation_says():
    assert loudness_lufs(sine(1.0)) == pytest.approx(-3.01, abs=0.1)


def test_recording_is_brought_to_the_loudness_asked_for():
    pcm, gain_db = at_loudness(sine(0.01), -24)
    assert loudness_lufs(pcm) == pytest.approx(-24, abs=0.05)
    assert gain_db == pytest.approx(19, abs=0.2)
    assert pcm.dtype == np.float32


def test_recording_never_gets_louder_than_full_scale():
    pcm = sine(1e-4)
    pcm[100] = 0.5
    louder, gain_db = at_loudness(pcm, -24)
    assert np.abs(louder).max() == pytest.approx(1)
    assert gain_db == pytest.approx(6.02, abs=0.01)


def test_silence_has_no_loudness():
    assert at_loudness(np.zeros(24_000, np.float32), -24) == (None, 0.0)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "loudness", None)
    with pytest.raises(ConfigError, match=r"pip install 'voiceagent\[serve\]'"):
        loudness_lufs(sine(0.1))
