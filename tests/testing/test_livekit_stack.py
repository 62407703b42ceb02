"""The real LiveKit of tests: found, started, killed, started again, stopped."""

import os
from pathlib import Path

import aiohttp
import pytest

from voiceagent.errors import LiveKitUnavailable
from voiceagent.testing.livekit_stack import LiveKitStack, Programs, free_port


def test_a_missing_program_is_named_with_its_fix(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LIVEKIT_SERVER_BIN", raising=False)
    with pytest.raises(LiveKitUnavailable, match=r"^livekit-server cannot be used .*make livekit"):
        Programs.find()


def test_a_program_named_by_the_environment_wins(monkeypatch, tmp_path):
    for name in ("livekit-server", "redis-server", "mine"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LIVEKIT_SERVER_BIN", str(tmp_path / "mine"))
    assert Programs.find().server == tmp_path / "mine"


def test_ports_in_a_row_are_past_a_taken_one():
    first = free_port(first=23_000, count=10)
    assert first >= 23_000
    assert (first - 23_000) % 10 == 0


@pytest.mark.slow
@pytest.mark.asyncio
async def test_the_server_answers_dies_and_comes_back_at_the_same_address(
    livekit_programs, tmp_path
):
    async with (
        LiveKitStack.running(livekit_programs, tmp_path) as stack,
        aiohttp.ClientSession() as http,
    ):
        url = stack.url.replace("ws://", "http://")
        async with http.get(url) as response:
            assert await response.text() == "OK"
        await stack.kill_server()
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get(url)
        await stack.start_server()
        async with http.get(url) as response:
            assert response.status == 200
        pid = stack._server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.asyncio
async def test_a_part_that_ends_at_once_says_how(tmp_path):
    programs = Programs(server=Path("/bin/true"), redis=Path("/bin/false"))
    with pytest.raises(LiveKitUnavailable, match=r"^false cannot be used \(ended with status 1"):
        async with LiveKitStack.running(programs, tmp_path):
            pass
