"""The command's settings; the worker that it runs is tested in `tests/e2e/phone`."""

from voiceagent.cli.livekit import settings_of
from voiceagent.cli.main import build_parser, main


def test_without_a_server_the_missing_settings_are_named(monkeypatch, capsys):
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert main(["livekit"]) == 2
    assert "needs url (LIVEKIT_URL) and api_key (LIVEKIT_API_KEY)" in capsys.readouterr().err


def test_flags_win_over_livekits_own_environment(monkeypatch):
    monkeypatch.setenv("LIVEKIT_URL", "ws://from-environment")
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    options = build_parser().parse_args(["livekit", "--url", "ws://flag", "--slots", "3"])
    settings = settings_of(options)
    assert (settings.livekit.url, settings.livekit.api_key) == ("ws://flag", "key")
    assert settings.engine.num_slots == 3
