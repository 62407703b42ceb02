import numpy as np
import pytest

from voiceagent.audio.level import SILENCE_DBFS, rms_dbfs


@pytest.mark.parametrize(("amplitude", "dbfs"), [(1.0, 0.0), (0.1, -20.0), (0.001, -60.0)])
def test_level_of_a_square_wave_is_its_amplitude(amplitude, dbfs):
    wave = np.tile(np.array([amplitude, -amplitude], np.float32), 50)
    assert rms_dbfs(wave) == pytest.approx(dbfs, abs=1e-4)


@pytest.mark.parametrize("pcm", [np.zeros(10, np.float32), np.zeros(0, np.float32)])
def test_level_of_nothing_is_the_floor(pcm):
    assert rms_dbfs(pcm) == SILENCE_DBFS


def test_level_of_nan_is_not_finite():
    assert not np.isfinite(rms_dbfs(np.array([0.1, np.nan], np.float32)))
