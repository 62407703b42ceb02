"""A real peer on loopback, and a gateway around the echo engine in this process.

pipecat-ai 1.14 imports audioop, deprecated since Python 3.11: loaded here once, quietly.
"""

import asyncio
import contextlib
import json
import time
import warnings
from fractions import Fraction

import av
import httpx
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import pipecat.audio.utils  # noqa: F401

from voiceagent.audio.jitter import timestamp_distance
from voiceagent.audio.opus import OpusDecoder
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.inbound import attach
from voiceagent.gateway.server import serve
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.supervisor import EngineProcess

RATE = 48_000
PACKET = 960


def chirps(seconds):
    """48 kHz: a 40 ms chirp each second, from half a second on."""
    sound = np.zeros(RATE * seconds, np.float32)
    time_s = np.arange(1920) / RATE
    chirp = np.sin(2 * np.pi * (800 * time_s + 50_000 * time_s**2)) * np.hanning(1920)
    for start in range(RATE // 2, len(sound) - 1920, RATE):
        sound[start : start + 1920] = 0.6 * chirp
    return sound, chirp


class Microphone(AudioStreamTrack):
    """Sends a sound by the clock, then silence."""

    def __init__(self, sound):
        super().__init__()
        self.sound = np.round(sound * 32767).astype(np.int16)
        self.packet = 0
        self.begin_s = None

    def say(self, sound):
        """Say this from now on."""
        self.sound = np.concatenate(
            [np.zeros(self.packet * PACKET, np.int16), np.round(sound * 32767).astype(np.int16)]
        )

    async def recv(self):
        if self.readyState != "live":
            raise MediaStreamError
        now_s = time.perf_counter()
        if self.begin_s is None:
            self.begin_s = now_s
        await asyncio.sleep(max(0, self.begin_s + self.packet * 0.02 - now_s))
        part = self.sound[self.packet * PACKET : (self.packet + 1) * PACKET]
        part = np.pad(part, (0, PACKET - len(part)))
        frame = av.AudioFrame.from_ndarray(np.repeat(part, 2)[None], format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = (
            RATE,
            self.packet * PACKET,
            Fraction(1, RATE),
        )
        self.packet += 1
        return frame


class Caller:
    """A browser's place: offer, sound, data channel, and what came back."""

    def __init__(self, url, sound=None, **http):
        self.url = url
        self.http = http  # token and certificate
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = Microphone(np.zeros(0) if sound is None else sound)
        self.messages = []
        self.heard = []  # (arrival in microseconds of the microphone, RTP timestamp, payload)

        self.pc.addTrack(self.microphone)
        self.channel = self.pc.createDataChannel("rtvi")
        self.channel.on("message", lambda text: self.messages.append(json.loads(text)))
        self.pc.on("track", lambda track: attach(self.pc.getReceivers()[0], self.hear))

    def hear(self, sequence, timestamp, payload):
        begin_s = self.microphone.begin_s or time.perf_counter()
        self.heard.append((time.perf_counter() - begin_s, timestamp, payload))

    def recording(self, seconds):
        """48 kHz: what was heard, each packet at the time that its stream gives it."""
        out, decoder, origin = np.zeros(RATE * seconds, np.float32), OpusDecoder(), self.heard[0][1]
        times = [(at, timestamp_distance(ts, origin), data) for at, ts, data in self.heard]
        begin_s = np.percentile([at - ticks / RATE for at, ticks, _ in times], 90)
        for _, ticks, data in times:
            part, start = decoder.decode(data), round(begin_s * RATE) + ticks
            if 0 <= start < len(out) - len(part):
                out[start : start + len(part)] = part
        return out

    def delays_ms(self, chirp, seconds):
        """Of each chirp of the microphone that came back."""
        out = self.recording(seconds + 2)
        match = np.abs(np.correlate(out, chirp, "valid"))
        starts = range(RATE // 2, RATE * (seconds - 1), RATE)
        peaks = [int(np.argmax(match[start : start + RATE * 9 // 10])) for start in starts]
        return [
            round(peak / 48, 1)
            for peak, s in zip(peaks, starts, strict=True)
            if match[s + peak] > 40
        ]

    async def offer_body(self):
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return {"sdp": self.pc.localDescription.sdp, "type": "offer"}

    async def negotiate(self, **fields):
        async with httpx.AsyncClient(base_url=self.url, **self.http) as http:
            body = {**await self.offer_body(), **fields}
            response = await http.post("/api/offer", json=body)
        assert response.status_code == 200, response.text
        answer = response.json()
        await self.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        return answer

    async def connect(self):
        answer = await self.negotiate()
        await until(lambda: self.pc.connectionState == "connected")
        await until(lambda: self.channel.readyState == "open")
        return answer

    async def call(self):
        return (await self.connect())["pc_id"]

    def server_messages(self, kind):
        data = [m["data"] for m in self.messages if m["type"] == "server-message"]
        return [item for item in data if item["t"] == kind]

    async def hang_up(self):
        await self.pc.close()


async def until(condition, seconds=5):
    """Wait for something that another process does."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # nothing here says when
            await asyncio.sleep(0.01)


class Served:
    """A gateway that runs."""

    def __init__(self, url, engine, http):
        self.url = url
        self.engine = engine
        self.http = http

    async def get(self, path):
        async with httpx.AsyncClient(base_url=self.url, timeout=20, **self.http) as http:
            return await http.get(path)

    async def num_free(self):
        return (await self.get("/api/status")).json()["num_free"]

    async def wait_free(self, count, seconds=5):
        begin = time.perf_counter()
        while await self.num_free() != count:
            assert time.perf_counter() - begin < seconds, "a slot leaked"
            await asyncio.sleep(0.05)
        return time.perf_counter() - begin


@contextlib.asynccontextmanager
async def running(num_slots=2, http=None, records=None, **settings):
    """A gateway with an echo engine, and a check that it leaves no task behind."""
    before = asyncio.all_tasks()
    engine = EngineProcess(EngineConfig(num_slots=num_slots), is_echo=True)
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    config = GatewayConfig(port=0, media_addresses=("127.0.0.1",), **settings)
    server = asyncio.create_task(
        serve(config, engine, records=records, on_ready=port.set_result, stop=stop), name="serve"
    )
    try:
        await asyncio.wait([server, port], return_when=asyncio.FIRST_COMPLETED)
        scheme = "https" if config.has_tls else "http"
        url = f"{scheme}://127.0.0.1:{await port if port.done() else await server}"
        yield Served(url, engine, http or {})
    finally:
        stop.set()
        await server
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before


@pytest.fixture
def make_server():
    return running


@pytest.fixture
def make_caller():
    return Caller


@pytest.fixture
def wait_until():
    return until


@pytest.fixture
def make_chirps():
    return chirps
