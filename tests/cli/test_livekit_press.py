"""`voiceagent livekit press`: keys and sessions that cannot be."""

import pytest

from voiceagent.cli.main import main


@pytest.fixture(autouse=True)
def _server(monkeypatch):
    """One that nobody asks."""
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:1")
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "hush-" * 8)


@pytest.mark.parametrize(
    ("keys", "why"), [("1A", "drops A to D"), ("mum", "keys to be sent are"), ("1" * 65, "1 to 64")]
)
def test_keys_that_cannot_be_sent_are_named(tmp_path, capsys, keys, why):
    assert main(["livekit", "press", "3f", keys, "--records", str(tmp_path)]) == 2
    assert why in capsys.readouterr().err


def test_an_unknown_session_is_named(tmp_path, capsys):
    assert main(["livekit", "press", "3f", "1", "--records", str(tmp_path)]) == 2
    assert "no session has an id that begins with '3f'" in capsys.readouterr().err
