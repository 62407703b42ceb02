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


def test_session_options_are_greedy_until_a_temperature_is_set():
    assert SessionOptions().is_greedy
    assert not SessionOptions(code_temperature=0.5).is_greedy
