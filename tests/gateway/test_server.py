import asyncio
import json
import os
import random
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from voiceagent.errors import ConfigError
from voiceagent.gateway.certificate import make_self_signed
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.server import serve
from voiceagent.gateway.webrtc import PeerConnection
from voiceagent.records.config import RecordsConfig
from voiceagent.records.store import RecordStore

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

READY = {"label": "rtvi-ai", "type": "client-ready", "id": "a", "data": {"version": "2.2.0"}}


async def test_a_call_hears_its_own_sound_back_soon_and_is_told_how_it_does(
    make_server, make_caller, make_chirps, wait_until
):
    sound, chirp = make_chirps(6)
    async with make_server() as server:
        caller = make_caller(server.url, sound)
        await caller.call()
        caller.channel.send(json.dumps(READY))
        await asyncio.sleep(6)
        await wait_until(lambda: len(caller.server_messages("stats")) >= 4)
        assert caller.messages[0]["type"] == "bot-ready"
        assert caller.server_messages("stats")[-1]["lag_us"] < 1_000_000
        await caller.hang_up()
        assert await server.wait_free(2) < 15
    delays = caller.delays_ms(chirp, 6)
    assert len(delays) == 5
    assert statistics.median(delays) <= 400


async def test_lost_packets_cost_no_lasting_delay_and_no_time(
    make_server, make_caller, make_chirps, monkeypatch
):
    chance, on_packet = random.Random(5), PeerConnection._on_packet
    sound, chirp = make_chirps(8)

    def lossy(self, *packet):
        if chance.random() >= 0.05:
            on_packet(self, *packet)

    monkeypatch.setattr(PeerConnection, "_on_packet", lossy)
    async with make_server() as server:
        caller = make_caller(server.url, sound)
        await caller.call()
        await asyncio.sleep(1)
        before, begin = await counters(server), time.perf_counter()
        await asyncio.sleep(7)
        after, seconds = await counters(server), time.perf_counter() - begin
        await caller.hang_up()
        await server.wait_free(2)
    assert after["packets_lost"] >= 5
    frames = after["engine_frames"] - before["engine_frames"]
    assert frames / 12.5 == pytest.approx(seconds, abs=0.25), (before, after)
    assert statistics.median(caller.delays_ms(chirp, 8)) <= 400


async def counters(server):
    """Prometheus counters by short name."""
    lines = (await server.get("/metrics")).text.splitlines()
    pairs = [line.split() for line in lines if line.startswith("voiceagent_")]
    return {
        name.removeprefix("voiceagent_").removesuffix("_total"): float(value)
        for name, value in pairs
        if "_created" not in name
    }


async def test_of_two_calls_neither_hears_the_other(make_server, make_caller, make_chirps):
    sound, chirp = make_chirps(4)
    async with make_server() as server:
        loud, quiet = make_caller(server.url, sound), make_caller(server.url)
        await asyncio.gather(loud.call(), quiet.call())
        await asyncio.sleep(4)
        await asyncio.gather(loud.hang_up(), quiet.hang_up())
        await server.wait_free(2)
    assert loud.delays_ms(chirp, 4)
    assert np.abs(quiet.recording(5)).max() < 0.01


async def test_a_call_over_tls_with_a_token_is_held(make_server, make_caller, wait_until):
    cert, key = make_self_signed("127.0.0.1")
    token = "0123456789abcdef"
    http = {
        "verify": ssl.create_default_context(cafile=cert),
        "headers": {"Authorization": f"Bearer {token}"},
    }
    async with make_server(tls_cert=cert, tls_key=key, token=token, http=http) as server:
        caller = make_caller(server.url, **http)
        await caller.call()
        await wait_until(lambda: len(caller.heard) > 10)
        await caller.hang_up()
        await server.wait_free(2)


async def test_a_call_that_renegotiates_goes_on_in_its_slot(make_server, make_caller, wait_until):
    async with make_server() as server:
        caller = make_caller(server.url)
        pc_id = await caller.call()
        answer = await caller.negotiate(pc_id=pc_id)
        heard = len(caller.heard)
        await wait_until(lambda: len(caller.heard) > heard + 10)
        assert (answer["pc_id"], await server.num_free()) == (pc_id, 1)
        await caller.hang_up()
        await server.wait_free(2)


async def test_rubbish_on_the_channel_is_counted_and_the_call_goes_on(make_server, make_caller):
    async with make_server() as server:
        caller = make_caller(server.url)
        await caller.call()
        for rubbish in ("x", "{", b"\x00" * 100, "[" * 5000, "y" * 20_000):
            caller.channel.send(rubbish)
        for _ in range(100):
            caller.channel.send("ping")
        caller.channel.send(json.dumps({**READY, "type": "send-text"}))
        async with asyncio.timeout(15):
            while not any(m["type"] == "bot-ready" for m in caller.messages):
                await asyncio.sleep(1.1)  # too many a second are not read
                caller.channel.send(json.dumps(READY))
        assert (await counters(server))["messages_ignored"] >= 50
        await caller.hang_up()
        await server.wait_free(2)


async def test_a_client_that_vanishes_frees_its_slot_within_5_s(
    make_server, make_caller, wait_until
):
    async with make_server() as server:
        caller = make_caller(server.url)
        await caller.call()
        await wait_until(lambda: len(caller.heard) > 10)
        for transport in caller.pc._RTCPeerConnection__iceTransports:
            for protocol in transport._connection._protocols:
                protocol.transport.abort()
        assert await server.wait_free(2, seconds=15) < 15
        await caller.hang_up()


async def test_a_disconnect_message_ends_the_call(make_server, make_caller, wait_until):
    async with make_server() as server:
        caller = make_caller(server.url)
        await caller.call()
        caller.channel.send(json.dumps({"label": "rtvi-ai", "type": "disconnect-bot", "id": "1"}))
        await wait_until(lambda: caller.server_messages("ended"))
        assert caller.server_messages("ended")[0]["reason"] == "the client hung up"
        await caller.hang_up()
        await server.wait_free(2)


async def test_the_call_too_many_is_refused_at_once_and_admitted_when_a_slot_is_free(
    make_server, make_caller
):
    async with make_server(num_slots=1) as server:
        first, second = make_caller(server.url), make_caller(server.url)
        await first.call()
        begin = time.perf_counter()
        async with httpx.AsyncClient(base_url=server.url) as http:
            body = await second.offer_body()
            begin = time.perf_counter()
            response = await http.post("/api/offer", json=body)
        assert time.perf_counter() - begin < 2
        assert (response.status_code, response.json()["retry_after_s"]) == (503, 5.0)
        await first.hang_up()
        await server.wait_free(1)
        third = make_caller(server.url)
        await third.call()
        await asyncio.gather(second.hang_up(), third.hang_up())
        await server.wait_free(1)


async def test_an_offer_that_only_looks_good_is_refused_and_leaks_no_slot(make_server):
    audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"
    async with make_server() as server, httpx.AsyncClient(base_url=server.url) as http:
        for sdp in (
            "v=0\r\n" + audio,
            "v=0\r\no=x\r\nm=audio\r\n" + audio[30:],
            "v=0\r\nt=\r\n" + audio,
        ):
            response = await http.post("/api/offer", json={"sdp": sdp, "type": "offer"})
            assert response.status_code == 400, response.text
        assert await server.num_free() == 2


async def test_candidates_of_a_call_are_taken_or_refused_clearly(make_server, make_caller):
    async with make_server() as server, httpx.AsyncClient(base_url=server.url) as http:
        caller = make_caller(server.url)
        pc_id = await caller.call()

        async def patch(text):
            item = {"candidate": text, "sdp_mid": "0", "sdp_mline_index": 0}
            response = await http.patch("/api/offer", json={"pc_id": pc_id, "candidates": [item]})
            return response.status_code

        assert await patch("candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host") == 200
        assert await patch("") == 200
        assert await patch("candidate:rubbish") == 400
        assert await patch("candidate:1 1 udp x 127.0.0.1 y typ host") == 400
        await caller.hang_up()
        await server.wait_free(2)


async def test_when_the_engine_dies_the_call_ends_with_a_reason_and_the_next_works(
    make_server, make_caller, wait_until
):
    async with make_server() as server:
        caller = make_caller(server.url)
        await caller.call()
        os.kill(server.engine.pid, signal.SIGKILL)
        await wait_until(lambda: caller.server_messages("ended"))
        assert "engine" in caller.server_messages("ended")[0]["reason"]
        begin = time.perf_counter()
        while (await server.get("/api/status")).status_code != 200:
            assert time.perf_counter() - begin < 15
        again = make_caller(server.url)
        await again.call()
        await asyncio.gather(caller.hang_up(), again.hang_up())
        await server.wait_free(2)


async def test_when_the_server_stops_its_calls_are_told(make_server, make_caller):
    async with make_server() as server:
        caller = make_caller(server.url)
        await caller.call()
    assert caller.server_messages("ended") == [{"t": "ended", "reason": "the server stops"}]
    await caller.hang_up()


async def test_ten_calls_one_after_another_leave_no_slot_task_or_thread(
    make_server, make_caller, wait_until
):
    async with make_server() as server:
        tasks = len(asyncio.all_tasks())
        for number in range(10):
            caller = make_caller(server.url)
            await caller.call()
            await caller.hang_up()
            await server.wait_free(2)
            await wait_until(lambda: len(asyncio.all_tasks()) <= tasks)
            if number == 2:
                threads = threading.active_count()
        assert threading.active_count() <= threads + 1


async def test_a_port_that_is_taken_is_said_clearly():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = GatewayConfig(port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match="--port"):
            await serve(config, "ipc:///tmp/voiceagent-no-engine")


async def test_a_certificate_that_is_none_is_said_clearly(tmp_path):
    (tmp_path / "x.pem").write_text("rubbish")
    config = GatewayConfig(port=0, tls_cert=tmp_path / "x.pem", tls_key=tmp_path / "x.pem")
    with pytest.raises(ConfigError, match="certificate"):
        await serve(config, "ipc:///tmp/voiceagent-no-engine")


async def test_a_recorded_call_is_told_how_it_goes_and_can_be_looked_at_when_it_is_over(
    make_server, make_caller, make_chirps, wait_until, tmp_path
):
    sound, _ = make_chirps(4)
    async with make_server(records=RecordsConfig(dir=tmp_path)) as server:
        caller = make_caller(server.url, sound)
        session_id = (await caller.connect())["session_id"]
        path = f"/api/sessions/{session_id}"
        await wait_until(lambda: caller.server_messages("axes"), seconds=15)
        await caller.hang_up()
        brief = await server.get(path)
        page = await server.get(f"{path}/report")
        values = await counters(server)
        await server.wait_free(2)
    news = caller.server_messages("axes")[-1]
    assert (news["labels"], news["floor"], news["state"]) == ("estimated", "nobody", None)
    assert brief.json()["axes"] == RecordStore(tmp_path).summary(session_id).axes.brief()
    assert page.headers["content-type"].startswith("text/html")
    assert f"Session {session_id[:8]}" in page.text
    assert values["turn_latency_ms_count"] == 0


async def test_a_call_that_is_not_recorded_is_told_nothing_of_axes(make_server, make_caller):
    async with make_server() as server:
        caller = make_caller(server.url)
        answer = await caller.connect()
        await asyncio.sleep(2.5)
        await caller.hang_up()
        await server.wait_free(2)
    assert set(answer) == {"sdp", "type", "pc_id"}
    assert not caller.server_messages("axes")


async def test_media_stays_within_the_udp_range(make_server, make_caller):
    script = call_script(
        "running(udp_ports=(41000, 41009))", "print(caller.pc.remoteDescription.sdp)"
    )
    sdp = await asyncio.to_thread(run_script, script)
    ports = {int(line.split()[5]) for line in sdp.splitlines() if line.startswith("a=candidate")}
    assert ports
    assert all(41000 <= port <= 41009 for port in ports)


async def test_a_running_gateway_never_loads_torch():
    records = "running(records=RecordsConfig(dir=Path(tempfile.mkdtemp())))"
    then = """
        await until(lambda: caller.server_messages("axes"), 15)
        await caller.hang_up()
        page = await server.get(f"/api/sessions/{session_id}/report")
        print(page.status_code, 'torch' in sys.modules, len(caller.heard) > 10)"""
    script = call_script(records, then)
    assert (await asyncio.to_thread(run_script, script)).split() == ["200", "False", "True"]


def call_script(server, then):
    return f"""
import asyncio, sys, tempfile
from pathlib import Path
from voiceagent.records.config import RecordsConfig
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import Caller, running, until

async def main():
    async with {server} as server:
        caller = Caller(server.url)
        session_id = (await caller.connect()).get("session_id")
        await until(lambda: len(caller.heard) > 10)
        {then}
        await caller.hang_up()

asyncio.run(main())
"""


def run_script(script):
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
