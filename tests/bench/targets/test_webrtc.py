"""The `webrtc+http://` target against a real gateway that echoes, and against what is none."""

import asyncio
import contextlib
import json
import statistics

import numpy as np
import pytest

from voiceagent.bench.targets.base import Call
from voiceagent.bench.targets.live import Line
from voiceagent.bench.targets.webrtc import WebRtcTarget
from voiceagent.errors import ConfigError, TargetError
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.server import serve
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.supervisor import EngineProcess

RATE = 24_000
PATIENT = Line(join_within_s=30, stall_s=10)


def nothing(seconds):
    """No progress bar."""


def silence(seconds):
    return Call("a", np.zeros(round(seconds * RATE), np.float32))


def chirp():
    time_s = np.arange(RATE // 5) / RATE
    sound = 0.5 * np.sin(2 * np.pi * (300 * time_s + 4000 * time_s**2)) * np.hanning(len(time_s))
    return sound.astype(np.float32)


@contextlib.asynccontextmanager
async def gateway(num_slots=1, **settings):
    """A gateway with an echo engine: its URL, and the event that stops it."""
    engine = EngineProcess(EngineConfig(num_slots=num_slots), is_echo=True)
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    config = GatewayConfig(port=0, media_addresses=("127.0.0.1",), **settings)
    server = asyncio.create_task(serve(config, engine, on_ready=port.set_result, stop=stop))
    await asyncio.wait([server, port], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield f"webrtc+http://127.0.0.1:{await port if port.done() else await server}", stop
    finally:
        stop.set()
        await server


@contextlib.asynccontextmanager
async def answering(response):
    """A server that answers every request with these bytes, or with none until it is left."""

    async def answer(reader, writer):
        await (reader.readuntil(b"\r\n\r\n") if response else reader.read())
        writer.write(response)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"webrtc+http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_gateway_that_echoes_is_heard_on_the_recordings_clock():
    user, sound, before = silence(5).user, chirp(), asyncio.all_tasks()
    starts = range(RATE // 2, 4 * RATE, RATE)
    for start in starts:
        user[start : start + len(sound)] += sound
    seconds = []
    async with gateway() as (url, _):
        reply = await WebRtcTarget(url, PATIENT).answer(Call("a", user), seconds.append)
    assert len(reply.agent) == len(user)
    assert sum(seconds) == pytest.approx(5)
    match = np.correlate(reply.agent, sound, "valid") / np.dot(sound, sound)
    heard = [match[start:][: RATE * 9 // 10] for start in starts]
    delays_ms = [int(np.argmax(m)) * 1000 // RATE for m in heard if m.max() > 0.7]
    assert len(delays_ms) >= 2, delays_ms
    assert 80 <= statistics.median(delays_ms) <= 600, delays_ms
    assert asyncio.all_tasks() == before


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_full_gateway_refuses_and_a_call_that_is_left_makes_room():
    async with gateway() as (url, _):
        target = WebRtcTarget(url, PATIENT)
        begun = asyncio.Event()
        first = asyncio.create_task(target.answer(silence(60), lambda seconds: begun.set()))
        await begun.wait()
        with pytest.raises(TargetError, match="refused: every slot is taken"):
            await target.answer(silence(1), nothing)
        first.cancel()
        await asyncio.wait([first])
        assert len((await target.answer(silence(1), nothing)).agent) == RATE


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_gateway_that_stops_is_named_with_its_reason():
    async with gateway() as (url, stop):
        with pytest.raises(TargetError, match=r"it hung up|the connection is") as failed:
            await WebRtcTarget(url, PATIENT).answer(silence(20), lambda seconds: stop.set())
    assert failed.value.at_s > 0


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_token_is_asked_for_and_taken():
    async with gateway(token="0123456789abcdef") as (url, _):
        with pytest.raises(TargetError, match="refused: send the token"):
            await WebRtcTarget(url, PATIENT).answer(silence(1), nothing)
        target = WebRtcTarget(url, PATIENT, token="0123456789abcdef")
        assert len((await target.answer(silence(1), nothing)).agent) == RATE


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (503, json.dumps({"detail": "come back later"}).encode(), "refused: come back later"),
        (404, b"<html>nothing here</html>", "is no gateway: HTTP 404"),
        (200, b"[]", "is no gateway: HTTP 200"),
        (200, b'{"sdp": "rubbish", "type": "answer"}', "answered with no session description"),
        (200, b'{"sdp": "v=0", "type": "nonsense"}', "is no gateway: HTTP 200"),
    ],
)
async def test_what_is_no_gateway_is_told_so_in_one_line(status, body, reason):
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    async with answering(head.encode() + body) as url:
        with pytest.raises(TargetError, match=reason) as failed:
            await WebRtcTarget(url, PATIENT).answer(silence(1), nothing)
    assert "\n" not in str(failed.value)


@pytest.mark.asyncio
async def test_a_server_that_does_not_answer_is_given_up():
    async with answering(b"") as url:
        with pytest.raises(TargetError, match=r"no agent that listens within 0.2 s"):
            await WebRtcTarget(url, Line(join_within_s=0.2)).answer(silence(1), nothing)


def test_where_nobody_listens_the_address_is_named():
    (outcome,) = WebRtcTarget("webrtc+http://127.0.0.1:1").converse([silence(1)], nothing)
    assert "http://127.0.0.1:1: cannot be reached" in outcome.reason


@pytest.mark.parametrize(
    "url", ["http://x", "webrtc+ws://x", "webrtc+http://", "webrtc+x", "webrtc+http://x:99999"]
)
def test_another_url_is_refused(url):
    with pytest.raises(ConfigError, match=r"expected webrtc\+http"):
        WebRtcTarget(url)
