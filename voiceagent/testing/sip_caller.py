"""A telephone caller as LiveKit's SIP bridge shows one to a room, without the bridge.

A participant of kind "sip" with the bridge's attributes, its sound through a telephone's codec
both ways. The call rings until somebody subscribes to its track, as with the bridge. The room is
told to bring in the agent, as a dispatch rule would tell it. What the bridge does besides is not
shown here: its resampling and mixing (some 100 ms), its slow keys, its time-outs for silent lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from livekit import rtc

from voiceagent.audio.framing import Samples
from voiceagent.gateway.phone.entrance import connect
from voiceagent.testing.dialled import Dialled, Server
from voiceagent.testing.handset import Handset, Heard

__all__ = ["Dialled", "SipCaller"]

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
_log = logging.getLogger(__name__)


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
        self._handset = Handset(dialled.band, dialled.noise_dbfs)
        self._is_answered, self._is_over = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._answering: asyncio.Task[None] | None = None
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
        return await self._handset.say(pcm, rate_hz)

    async def press(self, keys: str, *, every_s: float = 0.2) -> None:
        """Press keys of the phone, in the upper-case letters of the standard."""
        for key in keys:
            await self._room.local_participant.publish_dtmf(code=KEYS.index(key), digit=key)
            await asyncio.sleep(every_s)

    def heard(self, from_s: float | None = None, to_s: float | None = None) -> Heard:
        """What came out of the phone between two times of the loop."""
        return self._handset.heard(from_s, to_s)

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

    async def _join(self) -> None:
        room = self._room = rtc.Room()
        room.on("local_track_subscribed", lambda track: self._answer())
        room.on("track_subscribed", self._hear)
        room.on("sip_dtmf_received", lambda key: self.keys.append((key.digit, self._now_s())))
        room.on("participant_attributes_changed", self._notice)
        room.on("disconnected", self._left)
        room.on("reconnected", self._say_active)
        room.register_text_stream_handler("lk.transcription", self._read)
        token = self.dialled.token(
            self._server, self.call_id, is_answered=self._is_answered.is_set()
        )
        await connect(room, self._server.url, token, rtc.RoomOptions())
        source = rtc.AudioSource(self._handset.rate_hz, 1, queue_size_ms=0)
        track = rtc.LocalAudioTrack.create_audio_track("sip", source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE,
            red=False,  # as the bridge: each packet is sent once
        )
        await room.local_participant.publish_track(track, options)
        self._spawn(
            self._handset.speak(
                source,
                is_on=lambda: room.isconnected() and not self._is_over.is_set(),
                is_answered=self._is_answered.is_set,
            )
        )

    def _answer(self) -> None:
        if not self._is_answered.is_set():
            self._is_answered.set()
            self._say_active()

    def _say_active(self) -> None:
        """Once answered; again after a reconnection, which goes back to the token's attributes."""
        if self._is_answered.is_set():
            status = {"sip.callStatus": "active"}
            self._answering = self._spawn(self._room.local_participant.set_attributes(status))

    def _hear(self, track: rtc.Track, publication: Any, participant: rtc.RemoteParticipant) -> None:
        self.agent.update(participant.attributes)
        self._spawn(self._handset.listen(track))

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
