import pytest
import torch

from voiceagent.model.moshi_config import moshi_config
from voiceagent.model.roofline import GPUS, MIMI, roofline, step_seconds
from voiceagent.model.size import decoder_size

H200 = GPUS[0]


@pytest.fixture(scope="module")
def moshi():
    config = moshi_config(None, "x").decoder
    return config, decoder_size(config)


@pytest.mark.parametrize(("sessions", "floor_ms"), [(1, 3.85), (8, 6.48), (32, 15.5), (64, 27.6)])
def test_floor_of_moshi_on_an_h200_is_weights_and_full_windows_over_bandwidth(
    moshi, sessions, floor_ms
):
    config, size = moshi
    floor_s = step_seconds(config, size, MIMI, H200, sessions, efficiency=1.0)
    assert 1000 * floor_s == pytest.approx(floor_ms, rel=0.01)


def test_step_reads_weights_once_and_windows_per_session(moshi):
    config, size = moshi
    one, two = (step_seconds(config, size, MIMI, H200, n, efficiency=1.0) for n in (1, 2))
    window_s = size.kv_elements_per_step * 3000 * 2 / H200.bandwidth
    codec_s = (MIMI.session_bytes + MIMI.activation_bytes) / H200.bandwidth
    assert two - one == pytest.approx(window_s + codec_s)


def test_sessions_are_limited_by_time_or_memory(moshi):
    found = {gpu.name: roofline(*moshi, MIMI, gpu) for gpu in GPUS}
    assert {name: line.sessions for name, line in found.items()} == {
        "H200": 69,
        "H100 80GB": 41,
        "A100 80GB": 24,
        "L40S": 4,
        "L4": 0,
        "RTX 4090": 4,
    }
    assert found["H200"].by_time < found["H200"].by_memory
    assert found["RTX 4090"].by_memory < found["RTX 4090"].by_time


def test_step_takes_twice_as_long_in_twice_the_bytes_save_for_the_codec(moshi):
    config, size = moshi
    half, full = (
        step_seconds(config, size, MIMI, H200, 4, dtype, 1.0)
        for dtype in (torch.bfloat16, torch.float32)
    )
    codec_s = (MIMI.weight_bytes + 4 * (MIMI.session_bytes + MIMI.activation_bytes)) / 4.3e12
    assert full - codec_s == pytest.approx(2 * (half - codec_s))
