from pathlib import Path

import pytest

from voiceagent.errors import ConfigError
from voiceagent.settings import load_settings, parse_field
from voiceagent.turntaking.config import TurnConfig


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "voiceagent.toml"
        path.write_text(text)
        return path

    return write


def test_settings_without_any_source_are_the_defaults():
    settings = load_settings(None, {"HOME": "/home/me"}, {})
    assert settings.model == "nano"
    assert (settings.gateway.host, settings.gateway.port) == ("127.0.0.1", 8080)
    assert settings.records.dir == Path("/home/me/.local/share/voiceagent/sessions")
    assert not settings.records.with_audio
    assert settings.voices.dir == Path("/home/me/.local/share/voiceagent/voices")


def test_a_flag_wins_over_the_environment_and_that_over_the_file(write):
    file = write('model = "a"\n[gateway]\nport = 1\n[engine]\nnum_slots = 2\n')
    environment = {"VOICEAGENT_MODEL": "b", "VOICEAGENT_GATEWAY_PORT": "9"}
    settings = load_settings(file, environment, {"gateway.port": 7, "engine.num_slots": None})
    assert (settings.model, settings.gateway.port, settings.engine.num_slots) == ("b", 7, 2)


def test_values_are_brought_to_their_fields_types(write):
    file = write('[gateway]\nudp_ports = [50000, 50100]\nice_servers = ["stun:a"]\n')
    environment = {
        "VOICEAGENT_RECORDS_WITH_AUDIO": "on",
        "VOICEAGENT_GATEWAY_ALLOWED_ORIGINS": "https://a, https://b",
        "VOICEAGENT_RECORDS_DIR": "/records",
    }
    settings = load_settings(file, environment, {})
    assert settings.gateway.udp_ports == (50000, 50100)
    assert settings.gateway.ice_servers == ("stun:a",)
    assert settings.gateway.allowed_origins == ("https://a", "https://b")
    assert settings.records.with_audio
    assert settings.records.dir == Path("/records")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("colour = 1", "'colour' is not known; there are model and the sections"),
        ("model = 1", "'model' is not known"),
        ("gateway = 3", "'gateway' is not known"),
        ("[gateway]\ncolour = 1", r"\[gateway\] colour: not known; \[gateway\] has host, port"),
        ("[gateway]\nport = 1.5", r"\[gateway\] port: 1.5 does not fit"),
        ("[gateway]\nport = true", r"\[gateway\] port: True does not fit"),
        ("[gateway]\nhost = 1", r"\[gateway\] host: 1 does not fit \(wanted a text\)"),
        ("[gateway]\nudp_ports = [1]", "wanted 2 values"),
        ("[gateway]\nport = 99999", "port must be 0 to 65535"),
        ("[engine]\nnum_slots = 0", "num_slots must be 1"),
        ("[records]\nwith_audio = 3", "wanted true or false"),
        ("[gateway", "not a TOML file"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_the_key(write, text, problem):
    with pytest.raises(ConfigError, match=f"voiceagent.toml: .*{problem}"):
        load_settings(write(text), {}, {})


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("VOICEAGENT_COLOUR", "1", "means nothing"),
        ("VOICEAGENT_GATEWAY_COLOUR", "1", "not known"),
        ("VOICEAGENT_GATEWAY_PORT", "many", "'many' does not fit"),
        ("VOICEAGENT_GATEWAY_PORT", "-1", "port must be"),
        ("VOICEAGENT_RECORDS_WITH_AUDIO", "perhaps", "wanted true or false"),
    ],
)
def test_a_variable_that_does_not_fit_is_named(variable, text, problem):
    with pytest.raises(ConfigError, match=f"^{variable}: .*{problem}"):
        load_settings(None, {variable: text}, {})


def test_a_flag_that_does_not_fit_is_named():
    with pytest.raises(ConfigError, match="--port: port must be"):
        load_settings(None, {}, {"gateway.port": 99_999})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: no such file"):
        load_settings(tmp_path / "none.toml", {}, {})


def test_other_programs_variables_are_left_alone():
    load_settings(None, {"PATH": "/bin", "VOICE": "x"}, {})


def test_role_and_voice_of_all_sessions_are_settings_of_the_gateway(write):
    file = write('[voices]\ndir = "/v"\n[gateway]\nrole = "be brief"\nvoice = "anna"\n')
    settings = load_settings(file, {}, {})
    assert (settings.gateway.role, settings.gateway.voice) == ("be brief", "anna")
    assert settings.voices.dir == Path("/v")
    with pytest.raises(ConfigError, match="voice must be 1 to 64 letters"):
        load_settings(file, {"VOICEAGENT_GATEWAY_VOICE": "../x"}, {})


def test_turn_taking_is_a_setting_of_the_engine_with_thresholds_of_its_own(write):
    file = write('[engine]\npolicy = "on"\n[turns]\nduck_db = -9\n[observe]\nvad = "webrtc"\n')
    environment = {
        "VOICEAGENT_TURNS_IS_GATING": "off",
        "VOICEAGENT_TURNS_BACKCHANNEL_WORDS": "mm, aha",
        "VOICEAGENT_OBSERVE_END_OF_TURN": "smart_turn",
    }
    engine = load_settings(file, environment, {}).engine
    assert (engine.policy, engine.turns.duck_db, engine.turns.is_gating) == ("on", -9, False)
    assert engine.turns.backchannel_words == ("mm", "aha")
    assert (engine.observe.vad, engine.observe.end_of_turn) == ("webrtc", "smart_turn")


def test_turn_taking_is_done_where_it_was_measured_and_else_written_down():
    assert load_settings(None, {}, {}).engine.policy == "on"
    assert load_settings(None, {}, {"model": "my/moshi"}).engine.policy == "shadow"
    assert load_settings(None, {}, {"engine.policy": "off"}).engine.policy == "off"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[engine]\npolicy = "maybe"', "policy must be one of off, shadow, on"),
        ("[engine]\nturns = 3", r"\[engine\] turns: not known"),
        ("[observe]\nnum_slots = 3", r"\[observe\] num_slots: not known"),
        ('[observe]\nvad = "ears"', "vad must be"),
        ("[turns]\nduck_db = 3", "duck_db must be"),
        ("[turns]\nyield_after_frames = 2", "hush_after_frames must be below"),
        ("[turns]\nduck = 3", r"\[turns\] duck: not known"),
    ],
)
def test_a_threshold_that_does_not_fit_is_named(write, text, problem):
    with pytest.raises(ConfigError, match=f"voiceagent.toml: .*{problem}"):
        load_settings(write(text), {}, {})


def test_time_zone_that_is_none_names_where_it_was_set():
    settings = load_settings(None, {"VOICEAGENT_ENGINE_TIMEZONE": "Asia/Kolkata"}, {})
    assert settings.engine.timezone == "Asia/Kolkata"
    with pytest.raises(ConfigError, match="VOICEAGENT_ENGINE_TIMEZONE: timezone must be an IANA"):
        load_settings(None, {"VOICEAGENT_ENGINE_TIMEZONE": "here"}, {})


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("duck_db", "-9", -9.0),
        ("yield_frames", "3", 3),
        ("is_gating", "off", False),
        ("backchannel_words", "mm, yeah", ("mm", "yeah")),
    ],
)
def test_a_text_becomes_what_a_field_of_any_config_is(field, text, value):
    parsed = parse_field(TurnConfig, field, text)
    assert (parsed, type(parsed)) == (value, type(value))


def test_a_text_that_is_none_of_a_fields_values_is_an_error():
    with pytest.raises(ValueError, match="low"):
        parse_field(TurnConfig, "duck_db", "low")


def test_a_livekit_server_may_be_named_as_livekits_own_tools_name_it(write):
    file = write('[livekit]\nurl = "ws://file"\napi_key = "file"\n')
    environment = {"LIVEKIT_URL": "ws://theirs", "VOICEAGENT_LIVEKIT_URL": "ws://ours"}
    livekit = load_settings(file, environment, {}).livekit
    assert (livekit.url, livekit.api_key) == ("ws://ours", "file")
    assert load_settings(file, {"LIVEKIT_URL": "ws://theirs"}, {}).livekit.url == "ws://theirs"


def test_a_wrong_livekit_address_is_named_by_its_variable():
    with pytest.raises(ConfigError, match="LIVEKIT_URL: url must begin with ws://"):
        load_settings(None, {"LIVEKIT_URL": "7880"}, {})
