import pytest

from voiceagent.serving.config import (
    EngineConfig,
    ObserveConfig,
    SessionOptions,
    is_voice_id,
    voice_id_of,
)


@pytest.mark.parametrize(
    "change",
    [
        {"num_slots": 0},
        {"num_slots": 5000},
        {"max_queued_frames": 0},
        {"gate_below_dbfs": 3.0},
        {"gate_below_dbfs": float("nan")},
        {"prompt_cache_mib": -1},
        *({"policy": "maybe"}, {"policy": ""}, {"turns": {}}, {"observe": None}),
    ],
)
def test_engine_config_out_of_range_names_the_field(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        EngineConfig(**change)


@pytest.mark.parametrize(
    "change",
    [
        *({"role": "x" * 4001}, {"role": "\udc00"}, {"role": 7}),
        *({"voice": "a/b"}, {"voice": "x" * 65}, {"voice": "NATF0.pt"}, {"voice": None}),
        {"text_temperature": -1},
        {"code_temperature": 9},
        {"text_top_k": -1},
        {"seed": -1},
        *({"policy": "maybe"}, {"policy": None}),
    ],
)
def test_session_options_out_of_range_name_the_field(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        SessionOptions(**change)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "", "cuda:1,2"])
def test_device_of_another_name_is_refused(device):
    with pytest.raises(ValueError, match="device must be auto"):
        EngineConfig(device=device)


def test_name_of_a_published_voice_is_an_alias_of_its_id():
    assert (voice_id_of("NATF0"), voice_id_of("NATF0.pt")) == ("NATF0", "NATF0")
    assert SessionOptions(voice=voice_id_of("NATF0.pt")).voice == "NATF0"


@pytest.mark.parametrize("name", ["", ".pt", "a.pt.pt", "../a.pt", "/etc/passwd", "a b", "é"])
def test_name_that_is_no_id_is_refused(name):
    assert not is_voice_id(name)
    with pytest.raises(ValueError, match="voice must be 1 to 64 letters"):
        voice_id_of(name)


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "../etc/passwd", "Europe", "Europe/Berlin\0"])
def test_time_zone_that_is_none_is_refused(timezone):
    with pytest.raises(ValueError, match="timezone must be an IANA name such as Europe/Berlin"):
        EngineConfig(timezone=timezone)


@pytest.mark.parametrize("wait_ms", [-1, 10_001])
def test_step_waits_for_no_detector_for_ever(wait_ms):
    with pytest.raises(ValueError, match="wait_ms must be 0 to 10000"):
        ObserveConfig(wait_ms=wait_ms)
