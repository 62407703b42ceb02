"""A telephone caller as LiveKit's SIP bridge shows one to a room, without the bridge.

A participant of kind "sip" with the bridge's attributes, its sound through a telephone's codec
both ways. The call rings until somebody subscribes to its track, as with the bridge. The room is
told to bring in the agent, as a dispatch rule would tell it. What the bridge does besides is not
shown here: its resampling and mixing (some 100 ms), its slow keys, its time-outs for silent lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

import numpy as np
from livekit import api, rtc

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.gateway.resample import Resampler
from voiceagent.testing.telephone_line import Band, Line

PACKET_MS = 20
PUSH_MS = 10
#: DTMF events of RFC 4733, in the order of their codes.
KEYS = "0123456789*#ABCD"
#: As long as a ringing bridge waits before it gives up.
RING_S = 30.0
#: Ends of a connection after which the bridge does not come back.
FINAL = (
    rtc.DisconnectReason.CLIENT_INITIATED,
    rtc.DisconnectReason.DUPLICATE_IDENTITY,
    rtc.DisconnectReason.PARTICIPANT_REMOVED,
    rtc.DisconnectReason.ROOM_DELETED,
    rtc.DisconnectReason.ROOM_CLOSED,
)
_FULL_SCALE = 32_768

_log = logging.getLogger(__name__)


class Server(Protocol):
    """Where to call: what `LiveKitStack` has."""

    url: str
    api_key: str
    api_secret: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """Who calls whom.

    Attributes:
        number: of the caller.
        to: the number that was dialled.
        agent_name: of the agent that the room asks for; None: it asks for none.
        metadata: JSON text for the agent's job.
        room: name of the room; a new one for every call by default.
        band: codec of the line.
        noise_dbfs: of the caller's room, under all that is said; None for a dead microphone.
        attributes: more of them, as headers of the trunk would make.
    """

    number: str = "+15550100"
    to: str = "+15550199"
    agent_name: str | None = "voiceagent"
    metadata: str = ""
    room: str = dataclasses.field(default_factory=lambda: f"call-{uuid.uuid4().hex[:12]}")
    band: Band = "G722"
    noise_dbfs: float | None = -60.0
    attributes: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Of the participant, as the bridge makes it."""
        return f"sip_{self.number}"


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """Sound that came out of the line.

    Attributes:
        pcm: float32 [N] at the line's rate.
        rate_hz: samples a second.
        arrived_s: float64 [packets of 20 ms], when each arrived, seconds of the loop.
    """

    pcm: Samples
    rate_hz: int
    arrived_s: np.ndarray[Any, np.dtype[np.float64]]

    def at_24_khz(self) -> Samples:
        """The sound at the rate that the recogniser takes."""
        return Resampler(self.rate_hz, SAMPLE_RATE_HZ).push(self.pcm)

    def first_loud_s(self, *, above: float = 0.01) -> float | None:
        """When the first 20 ms with an RMS above this arrived; None when none did."""
        packets = self.pcm.reshape(-1, self.rate_hz * PACKET_MS // 1000)
        loud = np.flatnonzero(np.sqrt(np.mean(packets**2, axis=1)) > above)
        return float(self.arrived_s[loud[0]]) if loud.size else None


class SipCaller:
    """A call: see the module. Made by `dial`; next `answered`, then anything.

    Attributes:
        dialled: who calls whom.
        call_id: the bridge's name of this call.
        keys: DTMF that came from the room, with its time.
        agent: attributes of the agent in the room, newest values.
        texts: whole text streams of the room: topic, attributes, text.
    """

    def __init__(self, server: Server, dialled: Dialled) -> None:
        self.dialled = dialled
        self.call_id = f"SCL_{uuid.uuid4().hex[:12]}"
        self.keys: list[tuple[str, float]] = []
        self.agent: dict[str, str] = {}
        self.texts: list[tuple[str, dict[str, str], str]] = []
        self._server = server
        self._room = rtc.Room()
        self._to_room, self._from_room = Line(dialled.band), Line(dialled.band)
        self._rate_hz = self._to_room.rate_hz
        self._queue: asyncio.Queue[Samples] = asyncio.Queue()
        self._heard: list[Samples] = []
        self._waiting: list[np.ndarray[Any, np.dtype[np.int16]]] = []
        self._arrived_s: list[float] = []
        self._is_answered, self._is_over = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._answering: asyncio.Task[None] | None = None
        #: Sends no packet at all while set, as a line that is dead one way.
        self.is_muted = False
        self.started_s = 0.0
        self.ended_s: float | None = None
        self.end_reason = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def dial(cls, server: Server, dialled: Dialled | None = None) -> AsyncIterator[SipCaller]:
        """Call; hang up at the end of the block.

        Args:
            server: the LiveKit to call.
            dialled: who calls whom.
        """
        caller = cls(server, dialled or Dialled())
        caller.started_s = caller._now_s()
        try:
            await caller._join()
            yield caller
        finally:
            await caller.hang_up()
            for task in caller._tasks:
                task.cancel()
            await asyncio.gather(*caller._tasks, return_exceptions=True)

    async def answered(self, within_s: float = RING_S) -> float:
        """Wait until somebody listens; returns how long it rang, seconds.

        Raises:
            TimeoutError: nobody does; the bridge would tell the caller "busy" (486) now.
        """
        async with asyncio.timeout(within_s):
            await self._is_answered.wait()
        return self._now_s() - self.started_s

    async def say(self, pcm: Samples, rate_hz: int) -> float:
        """Speak into the phone in real time, after what is still being said.

        Args:
            pcm: float32 [N] in -1 .. 1.
            rate_hz: its samples a second.

        Returns:
            When the last of it went out, seconds of the loop.
        """
        for packet in self._packets(Resampler(rate_hz, self._rate_hz).push(pcm)):
            self._queue.put_nowait(packet)
        await self._queue.join()
        return self._now_s()

    async def press(self, keys: str, *, every_s: float = 0.2) -> None:
        """Press keys of the phone, in the upper-case letters of the standard."""
        for key in keys:
            await self._room.local_participant.publish_dtmf(code=KEYS.index(key), digit=key)
            await asyncio.sleep(every_s)

    def heard(self, from_s: float | None = None, to_s: float | None = None) -> Heard:
        """What came out of the phone between two times of the loop."""
        for packet in self._waiting:  # a call that nobody listens to costs no coding
            pcm = packet.astype(np.float32)
            pcm /= _FULL_SCALE
            self._heard.append(self._from_room.push(pcm))
        self._waiting.clear()
        times = np.array(self._arrived_s)
        first = 0 if from_s is None else int(np.searchsorted(times, from_s))
        last = len(times) if to_s is None else int(np.searchsorted(times, to_s))
        pieces = self._heard[first:last]
        pcm = np.concatenate(pieces) if pieces else np.empty(0, np.float32)
        return Heard(pcm, self._rate_hz, times[first:last])

    async def hang_up(self) -> None:
        """End the call; nothing when it is over."""
        if self._is_over.is_set():
            return
        self._end("hung up")
        with contextlib.suppress(TimeoutError):  # the server may be gone
            async with asyncio.timeout(1):
                if self._answering is not None:  # or "active" could be said last
                    await self._answering
                await self._room.local_participant.set_attributes({"sip.callStatus": "hangup"})
        await self._room.disconnect()

    async def ended(self, within_s: float) -> str:
        """Wait until the other side has ended the call; returns LiveKit's reason.

        Raises:
            TimeoutError: it goes on.
        """
        async with asyncio.timeout(within_s):
            await self._is_over.wait()
        return self.end_reason

    async def until(self, is_so: Callable[[], bool], within_s: float) -> None:
        """Wait until something can be seen of the room.

        Raises:
            TimeoutError: it cannot.
        """
        async with asyncio.timeout(within_s):
            while not is_so():  # noqa: ASYNC110  # of many kinds of event, none in a hurry
                await asyncio.sleep(0.05)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _end(self, reason: str) -> None:
        if not self._is_over.is_set():
            self.ended_s, self.end_reason = self._now_s(), reason
            self._is_over.set()

    # ---- the room

    def _token(self) -> str:
        d = self.dialled
        dispatch = [api.RoomAgentDispatch(agent_name=d.agent_name, metadata=d.metadata)]
        config = api.RoomConfiguration(agents=dispatch if d.agent_name is not None else [])
        grants = api.VideoGrants(room_join=True, room=d.room, can_update_own_metadata=True)
        token = api.AccessToken(self._server.api_key, self._server.api_secret)
        token = token.with_identity(d.identity).with_kind("sip").with_grants(grants)
        return token.with_attributes(self._attributes()).with_room_config(config).to_jwt()

    def _attributes(self) -> dict[str, str]:
        d = self.dialled
        return {
            "sip.callID": self.call_id,
            "sip.callIDFull": f"{self.call_id}@127.0.0.1",
            "sip.callTag": self.call_id[-8:],
            "sip.callStatus": "active" if self._is_answered.is_set() else "ringing",
            "sip.phoneNumber": d.number,
            "sip.trunkPhoneNumber": d.to,
            "sip.trunkID": "ST_simulated",
            "sip.ruleID": "SDR_simulated",
            "sip.hostname": "127.0.0.1",
            **d.attributes,
        }

    async def _join(self) -> None:
        room = self._room = rtc.Room()
        room.on("local_track_subscribed", lambda track: self._answer())
        room.on("track_subscribed", self._hear)
        room.on("sip_dtmf_received", lambda key: self.keys.append((key.digit, self._now_s())))
        room.on("participant_attributes_changed", self._notice)
        room.on("disconnected", self._left)
        room.on("reconnected", self._say_active)
        room.register_text_stream_handler("lk.transcription", self._read)
        await room.connect(self._server.url, self._token())
        source = rtc.AudioSource(self._rate_hz, 1, queue_size_ms=0)
        track = rtc.LocalAudioTrack.create_audio_track("sip", source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE,
            red=False,  # as the bridge: each packet is sent once
        )
        await room.local_participant.publish_track(track, options)
        self._spawn(self._speak(room, source))

    def _answer(self) -> None:
        if not self._is_answered.is_set():
            self._is_answered.set()
            self._say_active()

    def _say_active(self) -> None:
        """Once answered; again after a reconnection, which goes back to the token's attributes."""
        if self._is_answered.is_set():
            status = {"sip.callStatus": "active"}
            self._answering = self._spawn(self._room.local_participant.set_attributes(status))

    def _notice(self, changed: dict[str, str], participant: rtc.Participant) -> None:
        if participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            self.agent.update(participant.attributes)

    def _read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        async def read() -> None:
            with contextlib.suppress(rtc.StreamError):  # the call ended in the middle of it
                text = await reader.read_all()
                self.texts.append((reader.info.topic, dict(reader.info.attributes or {}), text))

        self._spawn(read())

    def _left(self, reason: int) -> None:
        if self._is_over.is_set() or reason in FINAL:
            self._end(rtc.DisconnectReason.Name(rtc.DisconnectReason.ValueType(reason)))
        else:
            self._spawn(self._come_back())

    async def _come_back(self) -> None:
        """The bridge joins again when LiveKit has restarted: the phone knows nothing of it."""
        while not self._is_over.is_set():
            try:
                return await self._join()
            except rtc.ConnectError:
                _log.info("%s: no LiveKit to come back to yet", self.call_id)
                await asyncio.sleep(0.5)

    # ---- the sound

    def _packets(self, pcm: Samples) -> list[Samples]:
        size = self._rate_hz * PACKET_MS // 1000
        padded = np.pad(pcm, (0, -pcm.size % size))
        return list(padded.reshape(-1, size))

    async def _speak(self, room: rtc.Room, source: rtc.AudioSource) -> None:
        """A packet every 20 ms by the clock, the room's noise when nothing is said."""
        rng = np.random.default_rng(0)
        size = self._rate_hz * PACKET_MS // 1000
        noise_dbfs = self.dialled.noise_dbfs
        noise = 0.0 if noise_dbfs is None else 10 ** (noise_dbfs / 20)
        due_s = self._now_s()
        while room.isconnected() and not self._is_over.is_set():
            packet = (noise * rng.standard_normal(size)).astype(np.float32)
            if self._is_answered.is_set() and not self._queue.empty():
                packet += self._queue.get_nowait()
                self._queue.task_done()
            if not self.is_muted:
                await self._push(source, self._to_room.push(packet))
            due_s += PACKET_MS / 1000
            await asyncio.sleep(max(0.0, due_s - self._now_s()))

    async def _push(self, source: rtc.AudioSource, packet: Samples) -> None:
        pcm = (packet * _FULL_SCALE).astype(np.int16)
        size = self._rate_hz * PUSH_MS // 1000
        for piece in pcm.reshape(-1, size):
            await source.capture_frame(rtc.AudioFrame(piece.tobytes(), self._rate_hz, 1, size))

    def _hear(self, track: rtc.Track, publication: Any, participant: rtc.RemoteParticipant) -> None:
        self.agent.update(participant.attributes)
        self._spawn(self._listen(track))

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(
            track, sample_rate=self._rate_hz, frame_size_ms=PACKET_MS, capacity=50
        )
        try:
            async for event in stream:
                self._waiting.append(np.frombuffer(event.frame.data, np.int16))
                self._arrived_s.append(self._now_s())
        finally:
            await stream.aclose()
