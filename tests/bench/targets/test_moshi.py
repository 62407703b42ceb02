"""The `ws://` target: what the reference server once said, servers at fault, and the real one."""

import asyncio
import contextlib
import http
import runpy
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.server import serve

from voiceagent.bench.targets.base import Call
from voiceagent.bench.targets.live import Line
from voiceagent.bench.targets.moshi import MoshiTarget
from voiceagent.errors import ConfigError, TargetError

GOLDEN = Path(__file__).parents[2] / "golden" / "moshi_protocol"
FRAME = 1920


def golden(name):
    """Messages of a wire file, each behind its length."""
    data, messages = (GOLDEN / f"{name}.bin").read_bytes(), []
    while data:
        end = 4 + int.from_bytes(data[:4], "little")
        messages.append(data[4:end])
        data = data[end:]
    return messages


class PatientClock:
    """Time passes only where the target sleeps, and there everybody gets their turn."""

    us = 0

    def now_us(self):
        return self.us

    async def sleep(self, seconds):
        self.us += round(seconds * 1e6)
        await asyncio.sleep(0.01)


def patient(**settings):
    clock = PatientClock()
    return Line(clock=clock, sleep=clock.sleep, **{"join_within_s": 20, "stall_s": 5, **settings})


def silence(frames):
    return Call("a", np.zeros(frames * FRAME, np.float32))


def nothing(seconds):
    """No progress bar."""


async def ask(script, call=None, line=None, path="", **settings):
    """Hold a conversation with a server that follows a script."""
    async with serve(script, "127.0.0.1", 0, **settings) as server:
        port = server.sockets[0].getsockname()[1]
        target = MoshiTarget(f"ws://127.0.0.1:{port}{path}", line or patient())
        return await target.answer(call or silence(3), nothing)


def saying(*messages):
    """A server that says this and then listens."""

    async def script(websocket):
        for message in messages:
            await websocket.send(message)
        await websocket.wait_closed()

    return script


async def repeating(websocket, handshakes=1):
    """A server that answers every message with what the reference server said to one."""
    handshake, *messages = golden("server")
    for _ in range(handshakes):
        await websocket.send(handshake)
    async for _ in websocket:
        for message in messages[:2]:
            await websocket.send(message)
        del messages[:2]


@pytest.mark.asyncio
async def test_what_the_reference_server_said_is_heard_and_read():
    reply = await ask(repeating, silence(8))
    assert len(reply.agent) == 8 * FRAME
    assert np.abs(reply.agent).max() > 0.1
    assert len(reply.words) >= 5
    assert all(0.08 <= word.start_s <= 0.64 for word in reply.words)


@pytest.mark.asyncio
async def test_what_is_said_is_what_the_reference_client_says():
    said = []

    async def script(websocket):
        await websocket.send(b"\x00")
        async for message in websocket:
            said.append(message)
            await websocket.send(golden("server")[1] if len(said) == 1 else b"\x06")

    await ask(script, silence(4))
    theirs = golden("client")
    assert [message[:5] for message in said] == [message[:5] for message in theirs[:4]]
    assert [message.count(b"OggS") for message in said] == [m.count(b"OggS") for m in theirs[:4]]
    assert b"OpusHead" in said[0]


@pytest.mark.asyncio
@pytest.mark.parametrize(("path", "asked"), [("", "/api/chat"), ("/", "/api/chat"), ("/x", "/x")])
async def test_without_a_path_the_protocols_own_is_asked_for(path, asked):
    seen = []

    def look(connection, request):
        seen.append(request.path)
        return connection.respond(http.HTTPStatus.NOT_FOUND, "not here\n")

    with pytest.raises(TargetError, match=r"refused: .*404"):
        await ask(repeating, path=path, process_request=look)
    assert seen == [asked]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ((b"\x00", b"\x01no ogg at all" * 10), "sent sound that is no Opus in Ogg"),
        ((b"\x00", b"\x02\xff"), "broke the protocol: text that is no UTF-8"),
        ((b"\x00", b""), "broke the protocol: an empty message"),
        ((b"\x00", "hello"), "broke the protocol: a text message"),
        ((b"\x00", b"\x00"), "broke the protocol: a second handshake"),
        ((b"\x00", b"\x05out of memory"), "it says: out of memory"),
        ((b"\x00", b"\x01" + bytes(300_000)), r"closed the connection .*1009"),
        ((b"\x02 hi",), "refused: it broke the protocol: text before the handshake"),
        ((b"\x00\x09\x00",), "refused: it broke the protocol: version 9"),
        ((b"\x05no free slot",), "it says: no free slot"),
    ],
)
async def test_rubbish_ends_the_conversation_with_one_line(messages, reason):
    with pytest.raises(TargetError, match=reason) as failed:
        await ask(saying(*messages))
    assert "\n" not in str(failed.value)


@pytest.mark.asyncio
async def test_kinds_of_messages_that_nobody_knows_are_ignored():
    async def script(websocket):
        for message in (b"\x04{}", b"\x63???", b"\x00", b"\x07\x01 red", b"\x03\x00", b"\x06"):
            await websocket.send(message)
        await repeating(websocket, handshakes=0)

    assert (await ask(script)).agent.any()


@pytest.mark.asyncio
async def test_a_server_that_closes_is_named_with_its_reason():
    async def script(websocket):
        await websocket.send(b"\x00")
        await websocket.recv()
        await websocket.close(1011, "the model is gone")

    with pytest.raises(TargetError, match=r"closed the connection \(.*1011.*the model is gone"):
        await ask(script, silence(8))


@pytest.mark.asyncio
async def test_a_server_that_says_goodbye_has_gone_too():
    async def script(websocket):
        await websocket.send(b"\x00")
        await websocket.recv()
        await websocket.close()

    with pytest.raises(TargetError, match=r"it closed the connection \(\d"):
        await ask(script, silence(8))


@pytest.mark.asyncio
async def test_a_server_that_closes_before_the_handshake_refuses():
    async def script(websocket):
        await websocket.close(1013, "try again later")

    with pytest.raises(TargetError, match=r"refused: it closed .*try again later"):
        await ask(script)


@pytest.mark.asyncio
async def test_a_server_that_vanishes_is_named():
    async def script(websocket):
        await websocket.send(b"\x00")
        await websocket.recv()
        websocket.transport.abort()

    with pytest.raises(TargetError, match="closed the connection"):
        await ask(script, silence(8))


@pytest.mark.asyncio
async def test_a_server_that_keeps_one_waiting_refuses():
    line = Line(join_within_s=0.1)
    with pytest.raises(TargetError, match=r"no handshake within 0.1 s; does it hold another"):
        await ask(saying(), line=line)


@pytest.mark.asyncio
async def test_a_server_that_says_nothing_has_stalled():
    line = patient(stall_s=0.2)
    with pytest.raises(TargetError, match=r"it sent no sound for 0.2 s"):
        await ask(saying(b"\x00"), silence(8), line)


@pytest.mark.asyncio
async def test_where_nobody_listens_the_address_is_named():
    async with serve(repeating, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    target = MoshiTarget(f"ws://127.0.0.1:{port}")
    with pytest.raises(TargetError, match=rf"ws://127.0.0.1:{port}/api/chat: cannot be reached"):
        await target.answer(silence(1), nothing)


def test_one_failed_recording_does_not_end_the_run():
    calls = [silence(1), Call("b", np.zeros(FRAME, np.float32))]
    outcomes = list(MoshiTarget("ws://127.0.0.1:1").converse(calls, nothing))
    assert [outcome.key for outcome in outcomes] == ["a", "b"]
    assert all("cannot be reached" in outcome.reason for outcome in outcomes)


@pytest.mark.parametrize("url", ["http://x", "ws://", "moshi", "ws:/x", "ws://x:y"])
def test_another_url_is_refused(url):
    with pytest.raises(ConfigError, match="expected ws://HOST:PORT or wss"):
        MoshiTarget(url)


@pytest.fixture(scope="module")
def reference():
    pytest.importorskip("moshi", reason="needs moshi: run 'make peers'")
    with runpy.run_path(str(GOLDEN / "make_protocol.py"))["serving"]() as url:
        yield url


@pytest.mark.slow
def test_the_reference_server_holds_two_conversations_one_after_the_other(reference):
    line = Line(stall_s=20, late_s=20)
    calls = [silence(25), Call("b", np.zeros(25 * FRAME, np.float32))]
    replies = list(MoshiTarget(reference, line).converse(calls, nothing))
    for reply in replies:
        assert len(reply.agent) == 25 * FRAME
        assert np.abs(reply.agent).max() > 0.1
        assert reply.words


@pytest.mark.slow
@pytest.mark.asyncio
async def test_the_reference_server_keeps_a_second_caller_waiting(reference):
    target = MoshiTarget(reference, Line(stall_s=20, late_s=20))
    busy = asyncio.create_task(target.answer(silence(60), nothing))
    await asyncio.sleep(1)
    impatient = MoshiTarget(reference, Line(join_within_s=0.5))
    with pytest.raises(TargetError, match="does it hold another conversation"):
        await impatient.answer(silence(1), nothing)
    busy.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await busy
