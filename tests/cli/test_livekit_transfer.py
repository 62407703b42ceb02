"""`voiceagent livekit transfer`: sessions and targets that cannot be."""

import asyncio

import pytest

from voiceagent.cli.livekit_transfer import running_header
from voiceagent.cli.main import main
from voiceagent.errors import RecordError
from voiceagent.records.store import RecordStore
from voiceagent.testing.decided import record_call


@pytest.fixture(autouse=True)
def _server(monkeypatch):
    """One that nobody asks."""
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:1")
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "hush-" * 8)


@pytest.fixture
def session(tmp_path):
    return asyncio.run(record_call(tmp_path, "." * 5))


def test_a_target_that_cannot_be_is_said_before_anything_is_asked(tmp_path, capsys):
    assert main(["livekit", "transfer", "3f", "mum", "--records", str(tmp_path)]) == 2
    assert "a transfer goes to tel:" in capsys.readouterr().err


def test_an_unknown_session_is_named(tmp_path, capsys):
    assert main(["livekit", "transfer", "3f", "+15105550100", "--records", str(tmp_path)]) == 2
    assert "no session has an id that begins with '3f'" in capsys.readouterr().err


def test_a_session_that_has_ended_cannot_be_transferred(tmp_path, session):
    with pytest.raises(RecordError, match="has ended"):
        running_header(tmp_path, session[:8])


def test_a_session_without_telephone_cannot_either(tmp_path, session, capsys):
    (RecordStore(tmp_path).root / session / "session.json").unlink()
    arguments = ["livekit", "transfer", session[:8], "+15105550100", "--records", str(tmp_path)]
    assert main(arguments) == 2
    assert "is no telephone call" in capsys.readouterr().err
