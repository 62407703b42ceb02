"""The command as it is run: two workers share the calls, and one of them is told to stop."""

import asyncio
import signal

import pytest

from voiceagent.cli.livekit import settings_of
from voiceagent.cli.main import build_parser, main
from voiceagent.testing.phone_worker import PhoneWorker
from voiceagent.testing.sip_caller import Dialled, SipCaller

ACTIVE = "phone_calls_active"


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


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_worker_that_is_told_to_stop_finishes_its_calls_and_the_other_takes_new_ones(
    livekit, tmp_path
):
    # full workers refuse, so that four calls must be spread
    environment = {**livekit.environment(), "VOICEAGENT_LIVEKIT_CAPACITY_CALLS": "0"}
    arguments = ["--slots", "2"]

    def worker(name):
        return PhoneWorker.running(environment, tmp_path / name, arguments)

    def dial(number):
        return SipCaller.dial(livekit, Dialled(number=f"+1555010{number}"))

    async with worker("a") as a, worker("b") as b:
        async with dial(1) as one, dial(2) as two, dial(3) as three, dial(4) as four:
            callers = [one, two, three, four]
            await asyncio.gather(*(caller.answered() for caller in callers))
            active = [(await one_of.metrics())[ACTIVE] for one_of in (a, b)]
            assert active == [2, 2]
            a.send(signal.SIGTERM)
            await asyncio.sleep(1)
            assert [caller.end_reason for caller in callers] == [""] * 4
        async with dial(5) as five:
            await five.answered()
            assert (await b.metrics())[ACTIVE] == 1
            assert await a.ended(5) == 0
            assert five.end_reason == ""
