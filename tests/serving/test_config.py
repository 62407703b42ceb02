import pytest

from voiceagent.serving.config import EngineConfig, SessionOptions


@pytest.mark.parametrize(
    "change",
    [
        {"num_slots": 0},
        {"num_slots": 5000},
        {"max_queued_frames": 0},
        {"gate_below_dbfs": 3.0},
        {"gate_below_dbfs": float("nan")},
    ],
)
def test_engine_config_out_of_range_names_the_field(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        EngineConfig(**change)


@pytest.mark.parametrize(
    "change",
    [{"text_temperature": -1}, {"code_temperature": 9}, {"text_top_k": -1}, {"seed": -1}],
)
def test_session_options_out_of_range_name_the_field(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        SessionOptions(**change)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "", "cuda:1,2"])
def test_device_of_another_name_is_refused(device):
    with pytest.raises(ValueError, match="device must be auto"):
        EngineConfig(device=device)
