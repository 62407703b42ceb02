"""`voiceagent livekit call`: what stops a call before anything rings."""

import pytest

from voiceagent.cli.main import main

OUT = """
[telephony]
outbound = true
outbound_prefixes = ["+1"]
outbound_address = "127.0.0.1:9"
outbound_number = "+15105550100"
"""


@pytest.fixture(autouse=True)
def _server(monkeypatch):
    """One that nobody asks."""
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:1")
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "hush-" * 8)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "voiceagent.toml"
    path.write_text(OUT)
    return str(path)


def test_calling_out_is_off_unless_said(capsys):
    assert main(["livekit", "call", "+15105550199"]) == 2
    assert "calling out is off" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "why"),
    [("+4930123456", "may not be called"), ("911", "no telephone number")],
)
def test_other_numbers_are_refused(file, capsys, number, why):
    assert main(["livekit", "call", number, "--config", file]) == 2
    assert why in capsys.readouterr().err


def test_a_server_that_is_not_there_is_named(file, capsys):
    assert main(["livekit", "call", "+15105550199", "--config", file]) == 2
    said = capsys.readouterr().err
    assert "LiveKit at ws://127.0.0.1:1: nothing answers there" in said
    assert "hush" not in said
