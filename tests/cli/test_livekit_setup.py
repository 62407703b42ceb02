"""`voiceagent livekit setup` against a real server, and what it says of wrong settings."""

import asyncio

import pytest

from voiceagent.cli.main import main
from voiceagent.testing.livekit_stack import LiveKitStack

FILE = """
[livekit]
agent_name = "voice"
[telephony]
numbers = ["+15105550100"]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "voiceagent.toml"
    path.write_text(FILE)
    return str(path)


@pytest.fixture
def server(livekit_programs, tmp_path, monkeypatch):
    """A server that runs while the command has a loop of its own."""
    with asyncio.Runner() as runner:
        running = LiveKitStack.running(livekit_programs, tmp_path)
        stack = runner.run(running.__aenter__())
        for name, value in stack.environment().items():
            monkeypatch.setenv(name, value)
        yield stack
        runner.run(running.__aexit__(None, None, None))


@pytest.mark.slow
def test_set_up_twice_then_removed(server, file, capsys):
    assert main(["livekit", "setup", "--config", file]) == 0
    first = capsys.readouterr().out
    assert first.count("created") == 2
    assert "note: anybody who reaches the SIP port" in first
    assert main(["livekit", "--config", file, "setup"]) == 0
    assert "nothing had to be changed" in capsys.readouterr().out
    assert main(["livekit", "setup", "--config", file, "--remove"]) == 0
    assert capsys.readouterr().out.count("removed") == 2


@pytest.mark.slow
def test_a_wrong_secret_is_one_line_without_the_secret(server, file, capsys, monkeypatch):
    monkeypatch.setenv("LIVEKIT_API_SECRET", "wrong-" * 7)
    assert main(["livekit", "setup", "--config", file]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "it does not know this key and secret" in said
    assert "wrong-" not in said


@pytest.mark.slow
def test_settings_without_lines_say_that_there_is_nothing_to_do(server, capsys):
    assert main(["livekit", "setup"]) == 0
    assert capsys.readouterr().out.startswith("nothing to do: [telephony] has no numbers")


def test_settings_without_a_server_name_the_variables(file, capsys, monkeypatch):
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert main(["livekit", "setup", "--config", file]) == 2
    assert "LIVEKIT_URL" in capsys.readouterr().err
