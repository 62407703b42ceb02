"""Level, floor and tilt of frames."""

import numpy as np
import pytest

from voiceagent.serving.cues import FIRST_FLOOR_DBFS, MIN_FLOOR_DBFS, LevelMeter, tilt_db


def noise(dbfs, rng=None):
    rng = rng or np.random.default_rng(1)
    return (rng.standard_normal((1, 1920)) * 10 ** (dbfs / 20)).astype(np.float32)


def test_the_level_is_that_of_the_frame():
    level_dbfs, _ = LevelMeter(1).frames([0], noise(-30.0))
    assert level_dbfs[0] == pytest.approx(-30.0, abs=0.3)


def test_the_floor_falls_at_once_and_climbs_slowly():
    meter = LevelMeter(1)
    meter.frames([0], noise(-60.0))
    floors = [meter.frames([0], noise(-20.0))[1][0] for _ in range(12)]
    assert floors[0] == pytest.approx(-59.75, abs=0.3)
    assert floors[-1] - floors[0] == pytest.approx(11 * 0.25)


def test_a_muted_line_has_a_floor_too():
    assert LevelMeter(1).frames([0], np.zeros((1, 1920), np.float32))[1][0] == MIN_FLOOR_DBFS


def test_a_new_session_has_the_first_floor():
    meter = LevelMeter(2)
    meter.frames([1], noise(-70.0))
    meter.begin(1)
    assert meter.frames([1], noise(-20.0))[1][0] == pytest.approx(FIRST_FLOOR_DBFS + 0.25)


@pytest.mark.parametrize(("hz", "sign"), [(500, -1), (4000, 1)])
def test_the_tilt_tells_bright_from_dark(hz, sign):
    pcm = np.sin(2 * np.pi * hz * np.arange(1920) / 24_000).astype(np.float32)
    assert sign * tilt_db(pcm[None])[0] > 30


def test_silence_has_no_tilt():
    assert tilt_db(np.zeros((1, 1920), np.float32))[0] == 0.0
