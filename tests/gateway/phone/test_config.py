import pytest

from voiceagent.errors import ConfigError
from voiceagent.gateway.phone.config import LiveKitConfig


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://a"},
        {"agent_name": "a b"},
        {"target_load": 0.0},
        {"target_load": 1.1},
        {"hold_s": 0},
        {"max_call_s": float("nan")},
        {"answer_after_ms": -1},
        {"capacity_calls": -1},
        {"comfort_noise_dbfs": -20.0},
        {"comfort_noise_dbfs": float("nan")},
        {"http_port": 65536},
        {"transfer_key": "A", "transfer_to": "+15550123"},
        {"transfer_key": "12", "transfer_to": "+15550123"},
        {"transfer_key": "1", "transfer_to": "nowhere"},
    ],
)
def test_a_value_that_cannot_work_is_named(fields):
    with pytest.raises(
        ValueError, match=list(fields)[-1] if "to" in fields else "must be|must begin"
    ):
        LiveKitConfig(**fields)


@pytest.mark.parametrize("fields", [{"transfer_key": "1"}, {"transfer_to": "+15550123"}])
def test_a_key_without_a_target_and_a_target_without_a_key_are_refused(fields):
    with pytest.raises(ConfigError, match="go together"):
        LiveKitConfig(**fields)


def test_what_is_missing_for_a_connection_is_named_with_its_environment_name():
    with pytest.raises(ConfigError, match=r"api_key \(LIVEKIT_API_KEY\) and api_secret"):
        LiveKitConfig(url="ws://a").check_complete()
    LiveKitConfig(url="ws://a", api_key="k", api_secret="s").check_complete()


def test_the_secret_is_never_shown():
    assert "hush" not in repr(LiveKitConfig(api_secret="hush"))


def test_the_secret_can_lie_in_a_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text("hush\n")
    assert LiveKitConfig(api_secret_file=file).secret() == "hush"


def test_a_secret_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        LiveKitConfig(api_secret_file=tmp_path / "none").secret()


@pytest.mark.parametrize(
    ("url", "wanted"),
    [("https://a:1/b", "wss://a:1/b"), ("http://a", "ws://a"), ("wss://a", "wss://a")],
)
def test_an_address_of_the_web_is_one_of_its_sockets_too(url, wanted):
    assert LiveKitConfig(url=url).signal_url == wanted
