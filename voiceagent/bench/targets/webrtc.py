"""`webrtc+http://`: a gateway of ours, called as its page calls it: offer, Opus, data channel.

A whole peer of its own (ICE, DTLS, SRTP) with the gateway's way in for what comes back, so that the
line adds no jitter buffer of its own: `gateway.inbound`. What the caller says leaves in packets of
20 ms, each when it is complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from voiceagent.audio.framing import PACKET_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.audio.opus import OpusEncoder
from voiceagent.bench.targets.base import Call, OnSeconds, Outcome, Reply, in_lanes
from voiceagent.bench.targets.live import Ears, Line, Say, check_url, ended, hold
from voiceagent.errors import ConfigError
from voiceagent.gateway.inbound import InboundAudio, attach
from voiceagent.gateway.rtvi import LABEL, MAX_MESSAGE_BYTES, PROTOCOL_VERSION

SCHEME = "webrtc+"
PING_EVERY_S = 1.0
#: The gateway says goodbye once the slot is free for the next conversation.
LEAVE_WITHIN_S = 2.0
#: Said and not yet sent: if more waits, the connection takes nothing any more.
MAX_UNSENT_PACKETS = 50


class WebRtcTarget:
    """A gateway of ours; see `base.Target`."""

    def __init__(
        self,
        url: str,
        line: Line | None = None,
        *,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
        num_lanes: int = 1,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: webrtc+http:// or webrtc+https:// and what follows in the page's address.
            line: how conversations are held; None is as usual.
            token: of the gateway, where it wants one.
            tls: what certificates to trust; None is the system's.
            num_lanes: conversations at once; the gateway needs as many slots.

        Raises:
            ConfigError: the URL cannot be used.
        """
        if not url.startswith(SCHEME):
            raise ConfigError(f"{url}: expected {SCHEME}http://HOST:PORT")
        self._url = url.removeprefix(SCHEME)
        check_url(self._url, ("http", "https"), SCHEME)
        self._line = line or Line()
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._num_lanes = num_lanes

    @property
    def facts(self) -> dict[str, Any]:
        """Where it is; what it runs stands in its own /api/status."""
        return {"target": "webrtc", "url": self._url, "pace": "real time"}

    def converse(self, calls: Iterable[Call], on_seconds: OnSeconds) -> Iterator[Outcome]:
        """See `base.Target`."""
        return in_lanes(
            calls, lambda call: asyncio.run(self.answer(call, on_seconds)), self._num_lanes
        )

    def close(self) -> None:
        """Nothing to let go of: every conversation has a connection of its own."""

    async def answer(self, call: Call, on_seconds: OnSeconds) -> Reply:
        """Hold one conversation.

        Raises:
            TargetError: the gateway refused, died or stalled.
        """
        return await hold(self._url, self._join, call, PACKET_SAMPLES, on_seconds, self._line)

    @contextlib.asynccontextmanager
    async def _join(self, ears: Ears) -> AsyncIterator[Say]:
        peer = _Peer(ears)
        try:
            async with asyncio.timeout(self._line.join_within_s):
                await peer.take(await self._negotiated(await peer.offer(), ears))
                await peer.settled.wait()
                ears.check()
        except TimeoutError as error:
            reason = f"refused: no agent that listens within {self._line.join_within_s:g} s"
            raise ears.error(reason) from error
        else:
            yield peer.say
        finally:
            await peer.hang_up()

    async def _negotiated(self, offer: dict[str, str], ears: Ears) -> RTCSessionDescription:
        try:
            async with httpx.AsyncClient(
                base_url=self._url, verify=self._tls, timeout=None, headers=self._headers
            ) as http:
                response = await http.post("/api/offer", json=offer)
        except httpx.HTTPError as error:
            raise ears.error(f"cannot be reached: {error}") from error
        try:
            body = response.json()
            if response.status_code != 200:
                raise ears.error(f"refused: {body['detail']}")
            return RTCSessionDescription(body["sdp"], body["type"])
        except (ValueError, KeyError, TypeError) as error:
            raise ears.error(f"is no gateway: HTTP {response.status_code}") from error


class _Peer:
    """One call. Next: `offer`, `take` the answer, wait until it is `settled`, `say`; `hang_up`."""

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._inbound = InboundAudio()
        self._microphone = _Microphone()
        #: Set when the agent listens, or never will; the ears know which.
        self.settled = asyncio.Event()
        self._over = asyncio.Event()
        self._pinging: asyncio.Task[None] | None = None
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.addTrack(self._microphone)
        self._pc.on("track", lambda track: attach(self._pc.getReceivers()[0], self._on_packet))
        self._pc.on("connectionstatechange", self._on_state)
        self._channel = self._pc.createDataChannel("rtvi")
        self._channel.on("open", self._on_open)
        self._channel.on("message", self._on_message)

    async def offer(self) -> dict[str, str]:
        """The body of the request."""
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return {"sdp": self._pc.localDescription.sdp, "type": "offer"}

    async def take(self, answer: RTCSessionDescription) -> None:
        """Connect.

        Raises:
            TargetError: the answer is none.
        """
        try:
            await self._pc.setRemoteDescription(answer)
        except ValueError as error:
            raise self._ears.error(f"answered with no session description ({error})") from error

    async def say(self, packet: Samples) -> None:
        """Send 20 ms."""
        if not self._microphone.push(packet):
            self._ears.fail("the connection takes no more sound")

    async def hang_up(self) -> None:
        """Leave, so that the slot is free."""
        if self._channel.readyState == "open" and not self._over.is_set():
            goodbye = {"label": LABEL, "type": "disconnect-bot", "id": "bench"}
            self._channel.send(json.dumps(goodbye))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), LEAVE_WITHIN_S)
        if self._pinging is not None:
            await ended(self._pinging)
        self._microphone.stop()
        await self._pc.close()

    def _on_packet(self, sequence: int, timestamp: int, payload: bytes) -> None:
        self._ears.hear(self._inbound.receive(sequence, timestamp, payload))

    def _on_state(self) -> None:
        if self._pc.connectionState in ("closed", "failed"):
            self._fail(f"the connection is {self._pc.connectionState}")

    def _on_open(self) -> None:
        data = {"version": PROTOCOL_VERSION}
        ready = {"label": LABEL, "type": "client-ready", "id": "bench", "data": data}
        self._channel.send(json.dumps(ready))
        self._pinging = asyncio.create_task(self._ping(), name="ping")

    async def _ping(self) -> None:
        while self._channel.readyState == "open":
            self._channel.send("ping")
            await asyncio.sleep(PING_EVERY_S)

    def _on_message(self, message: str | bytes) -> None:
        try:
            content = json.loads(message) if len(message) <= MAX_MESSAGE_BYTES else None
        except (ValueError, RecursionError):
            content = None
        match content:
            case {"type": "bot-ready"}:
                self.settled.set()
            case {"type": "server-message", "data": data}:
                self._on_news(data)
            case None:
                self._fail("it broke the protocol: a message that is no JSON, or too big")

    def _on_news(self, data: object) -> None:
        match data:
            case {"t": "word", "side": "agent", "text": str(said)}:
                self._ears.read(f" {said.strip()}")
            case {"t": "ended", "reason": str(reason)}:
                self._fail(f"it hung up: {reason}")

    def _fail(self, reason: str) -> None:
        self._ears.fail(reason)
        self.settled.set()
        self._over.set()


class _Microphone(MediaStreamTrack):
    """Packets as they are said; aiortc's sender waits for each."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._encoder = OpusEncoder()
        self._packets: asyncio.Queue[av.Packet[Any]] = asyncio.Queue(MAX_UNSENT_PACKETS)
        self._said = 0

    def push(self, pcm: Samples) -> bool:
        """Append 20 ms; false if too many wait."""
        packet: av.Packet[Any] = av.Packet(self._encoder.encode(pcm))
        packet.pts = self._said * PACKET_SAMPLES
        packet.time_base = Fraction(1, SAMPLE_RATE_HZ)
        self._said += 1
        if self._packets.full():
            return False
        self._packets.put_nowait(packet)
        return True

    async def recv(self) -> av.Packet[Any]:
        if self.readyState != "live":
            raise MediaStreamError
        return await self._packets.get()
