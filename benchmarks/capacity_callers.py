"""Many callers in one process, as light as real ones can be, for bench_capacity.

Each is a whole WebRTC peer (ICE, DTLS, SRTP, RTCP, data channel) that sends packets encoded
beforehand and counts what comes back without decoding it, so that most of the machine is left for
what is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from voiceagent.audio.framing import PACKET_SAMPLES, SAMPLE_RATE_HZ
from voiceagent.audio.opus import RTP_RATE_HZ, OpusEncoder
from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.gateway.inbound import attach

PACKET_S = 0.02
#: After the question, for the answer.
PAUSE_S = 4.0
CONNECT_WITHIN_S = 20.0


def encode_question() -> list[bytes]:
    """Opus packets of the spoken question and of the silence after it."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.float32)
    pcm = np.concatenate([read_wav(QUESTION).pcm, pause])
    pcm = pcm[: len(pcm) // PACKET_SAMPLES * PACKET_SAMPLES]
    encoder = OpusEncoder()
    return [encoder.encode(part) for part in pcm.reshape(-1, PACKET_SAMPLES)]


class _Microphone(MediaStreamTrack):
    """Asks the question again and again, by the clock; `begin` is the packet it starts at."""

    kind = "audio"

    def __init__(self, packets: Sequence[bytes], begin: int) -> None:
        super().__init__()
        self._packets: Iterator[bytes] = itertools.cycle([*packets[begin:], *packets[:begin]])
        self._sent = 0
        self._begin_s: float | None = None

    async def recv(self) -> av.Packet:
        if self.readyState != "live":
            raise MediaStreamError
        now_s = time.perf_counter()
        if self._begin_s is None:
            self._begin_s = now_s
        await asyncio.sleep(max(0.0, self._begin_s + self._sent * PACKET_S - now_s))
        packet = av.Packet(next(self._packets))
        packet.pts = self._sent * round(PACKET_S * RTP_RATE_HZ)
        packet.time_base = Fraction(1, RTP_RATE_HZ)
        self._sent += 1
        return packet


class Caller:
    """Next: `call`; `hang_up`. Packets of the agent are counted in `received`."""

    def __init__(self, packets: Sequence[bytes], begin: int) -> None:
        self.received = 0
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.addTrack(_Microphone(packets, begin))
        self._channel = self._pc.createDataChannel("rtvi")
        self._pinging: asyncio.Task[None] | None = None
        self._pc.on("track", lambda track: attach(self._pc.getReceivers()[0], self._count))

    async def call(self, url: str) -> None:
        """Connect and talk."""
        await self._pc.setLocalDescription(await self._pc.createOffer())
        offer = {"sdp": self._pc.localDescription.sdp, "type": "offer"}
        async with httpx.AsyncClient(base_url=url, timeout=CONNECT_WITHIN_S) as http:
            response = (await http.post("/api/offer", json=offer)).raise_for_status().json()
        answer = RTCSessionDescription(response["sdp"], response["type"])
        await self._pc.setRemoteDescription(answer)
        self._pinging = asyncio.create_task(self._ping())

    async def hang_up(self) -> None:
        """Leave."""
        if self._pinging:
            self._pinging.cancel()
        await self._pc.close()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self._channel.readyState == "open":
                self._channel.send(f"ping: {round(time.perf_counter() * 1000)}")

    def _count(self, sequence: int, timestamp: int, payload: bytes) -> None:
        self.received += 1
