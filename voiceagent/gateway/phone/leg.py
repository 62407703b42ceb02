"""One stay in a LiveKit room: the one caller heard, the agent's track, texts, keys and state.

A leg says what happens to it through a `Listener` and decides nothing: whether a conversation ends
or waits for its caller to come back is `call`'s. Only the caller is subscribed to, and only when
the call is to be answered: livekit-sip lets the phone ring until somebody listens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

import numpy as np
from livekit import rtc

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.audio.opus import from_int16
from voiceagent.clock import Clock
from voiceagent.errors import RoomError
from voiceagent.gateway.phone import endings
from voiceagent.gateway.phone.caller import Caller, choose, is_caller
from voiceagent.gateway.phone.claims import clean
from voiceagent.gateway.phone.ear import FRAME_MS, Ear
from voiceagent.gateway.phone.secrets import redact
from voiceagent.gateway.phone.track import AgentTrack

CONNECT_WITHIN_S = 10.0
LEAVE_WITHIN_S = 2.0
#: Frames that LiveKit's own queue may hold: one second, then it drops the oldest.
STREAM_FRAMES = 1000 // FRAME_MS
#: A caller who vanishes so soon after the connection was mended was lost with it.
SHAKY_S = 1.0
#: Why a telephone has hung up is told a little later than that it has.
REASON_WITHIN_S = 0.25
_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who is told what happens on a leg; each returns at once."""

    def on_sound(self, leg: Leg) -> None:
        """The ear has sound where it had none."""
        ...

    def on_key(self, digit: str) -> None:
        """The caller pressed a key."""
        ...

    def on_order(self, topic: str, data: bytes) -> None:
        """The server's API sent data to the room."""
        ...

    def on_left(self, leg: Leg, reason: str) -> None:
        """The caller is gone for good, or the room is."""
        ...

    def on_lost(self, leg: Leg, reason: str) -> None:
        """The way to the caller is broken; it may come back, here or on another leg."""
        ...

    def on_back(self, leg: Leg) -> None:
        """The lost caller is here again."""
        ...


class Leg:
    """Next: `join`, `wait_caller`, `publish`, `answer`; `send` sound; `leave` in the end."""

    def __init__(self, room_name: str, clock: Clock) -> None:
        self.room_name = room_name
        self.room = rtc.Room()
        self.ear = Ear()
        #: Set by whoever holds the conversation, before `answer`.
        self.listener: Listener | None = None
        self.caller: Caller | None = None
        self.closed = asyncio.Event()
        self.reconnects = 0
        self.track_sid = ""
        self._clock = clock
        self._caller_came = asyncio.Event()
        self._is_active = asyncio.Event()
        self._track: AgentTrack | None = None
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_answered = False
        self._is_reconnecting = False
        self._is_lost = False
        self._is_leaving = False

    async def join(self, url: str, token: str) -> None:
        """Enter the room.

        Raises:
            RoomError: it cannot be entered; says why, without the token.
        """
        for event, handler in self._handlers().items():
            self.room.on(event, handler)  # type: ignore[arg-type]
        options = rtc.RoomOptions(auto_subscribe=False)
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self.room.connect(url, token, options)
        except rtc.ConnectError as error:
            # not chained: the text of the cause holds the token
            raise RoomError(self.room_name, redact(str(error))) from None
        except TimeoutError as error:
            reason = f"no connection within {CONNECT_WITHIN_S:g} s"
            raise RoomError(self.room_name, reason) from error
        self._look_around()

    async def wait_caller(self, within_s: float) -> Caller:
        """The participant who is the caller, see `caller.choose`.

        Raises:
            RoomError: nobody came, or the room was closed.
        """
        waits = [asyncio.create_task(event.wait()) for event in (self._caller_came, self.closed)]
        try:
            await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.caller is None:
            reason = "it was closed" if self.closed.is_set() else f"nobody came in {within_s:g} s"
            raise RoomError(self.room_name, reason)
        return self.caller

    async def publish(self) -> None:
        """Offer the agent's track, silent until `send`.

        Raises:
            RoomError: the server refused it.
        """
        self._track = await AgentTrack.publish(self.room, self.room_name)
        self.track_sid = self._track.sid

    def answer(self) -> None:
        """Listen to the caller from now on; a telephone is answered by it."""
        self._is_answered = True
        self._subscribe()

    async def wait_active(self) -> None:
        """Wait until the caller can hear and be heard: a telephone may still ring."""
        await self._is_active.wait()

    async def send(self, pcm: Samples) -> None:
        """20 ms of the agent: float32 [PACKET_SAMPLES]; nothing where the room is gone.

        Raises:
            RoomError: the track takes no sound any more.
        """
        if self._track is not None and not self.closed.is_set():
            await self._track.send(pcm)

    async def send_key(self, code: int, key: str) -> None:
        """Press one key for the caller's telephone to hear, see `dtmf.codes_of`."""
        await self.room.local_participant.publish_dtmf(code=code, digit=key)

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        """Tell all in the room what the agent does."""
        if self.room.isconnected():
            await self.room.local_participant.set_attributes(attributes)

    async def leave(self) -> None:
        """Leave the room; no effect the second time."""
        self._is_leaving = True
        for task in [*self._streams.values(), *self._tasks]:
            task.cancel()
        try:
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await self.room.disconnect()
                if self._track is not None:
                    await self._track.close()
        except TimeoutError:
            _log.info("room %s was left without the server's answer", self.room_name)
        self.closed.set()

    def _handlers(self) -> dict[str, Any]:
        return {
            "participant_connected": self._on_participant,
            "participant_disconnected": self._on_departure,
            "participant_attributes_changed": self._on_attributes,
            "track_published": lambda publication, participant: self._subscribe(),
            "track_subscribed": self._on_track,
            "sip_dtmf_received": self._on_dtmf,
            "data_received": self._on_data,
            "reconnecting": self._on_reconnecting,
            "reconnected": self._on_reconnected,
            "disconnected": self._on_disconnected,
        }

    def _look_around(self) -> None:
        """Choose the caller among those who are here."""
        here = [Caller.of(participant) for participant in self.room.remote_participants.values()]
        if self.caller is None:
            if (chosen := choose(here)) is not None:
                self._take(chosen)
        else:
            back = [caller for caller in here if caller.key == self.caller.key]
            if back and self._is_lost:
                self._take(back[0])

    def _take(self, caller: Caller) -> None:
        self.caller = caller
        if caller.is_active:
            self._is_active.set()
        self._caller_came.set()
        self._subscribe()
        if self._is_lost:
            self._is_lost = False
            if self.listener:
                self.listener.on_back(self)

    def _subscribe(self) -> None:
        """Ask for the caller's microphone, once it is there."""
        if not self._is_answered or self.caller is None:
            return
        participant = self.room.remote_participants.get(self.caller.identity)
        publications = participant.track_publications.values() if participant else ()
        audio = [item for item in publications if item.kind == rtc.TrackKind.KIND_AUDIO]
        audio.sort(key=lambda item: item.source != rtc.TrackSource.SOURCE_MICROPHONE)
        if audio and not audio[0].subscribed:
            audio[0].set_subscribed(True)

    def _on_participant(self, participant: rtc.RemoteParticipant) -> None:
        if self.caller is not None and not self._is_lost and is_caller(Caller.of(participant)):
            name = clean(participant.identity, 64)
            _log.info("room %s: %s is not listened to", self.room_name, name)
        self._look_around()

    def _on_attributes(self, changed: object, participant: rtc.Participant) -> None:
        if self.caller is None or participant.identity != self.caller.identity:
            return
        if not isinstance(participant, rtc.RemoteParticipant):
            return
        self.caller = Caller.of(participant)
        if self.caller.is_active:
            self._is_active.set()
        if self.caller.has_hung_up:
            self._spawn(self._leave_off())

    async def _leave_off(self) -> None:
        await asyncio.sleep(REASON_WITHIN_S)
        self._tell_left("the caller hung up")

    def _on_departure(self, participant: rtc.RemoteParticipant) -> None:
        if self.caller is None or participant.identity != self.caller.identity:
            return
        reason = participant.disconnect_reason or rtc.DisconnectReason.UNKNOWN_REASON
        if self.caller.has_hung_up or not self._is_reconnecting:
            self._tell_left(endings.of_caller(reason))
        else:
            self._tell_lost("the connection to the LiveKit server broke")

    def _on_track(
        self,
        track: rtc.Track,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        if self.caller is None or participant.identity != self.caller.identity:
            return
        for task in self._streams.values():  # a new track takes the place of the old one
            task.cancel()
        self._streams[publication.sid] = asyncio.create_task(self._listen(track), name="phone ear")

    async def _listen(self, track: rtc.Track) -> None:
        self.ear.restart()
        stream = rtc.AudioStream(
            track,
            capacity=STREAM_FRAMES,
            sample_rate=SAMPLE_RATE_HZ,
            num_channels=1,
            frame_size_ms=FRAME_MS,
        )
        try:
            async for event in stream:
                pcm = from_int16(np.frombuffer(event.frame.data, np.int16))
                if self.ear.hear(pcm, self._clock.now_us()) and self.listener:
                    # after all that came with it: a stall hands over many at once
                    asyncio.get_running_loop().call_soon(self.listener.on_sound, self)
        finally:
            await stream.aclose()

    def _on_dtmf(self, dtmf: rtc.SipDTMF) -> None:
        sender = dtmf.participant.identity if dtmf.participant else None
        if self.listener and self.caller and sender in (None, self.caller.identity):
            self.listener.on_key(dtmf.digit)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        # only who holds the server's key can send without being a participant
        if self.listener and packet.participant is None and packet.topic:
            self.listener.on_order(packet.topic, packet.data)

    def _on_reconnecting(self) -> None:
        self._is_reconnecting = True
        self.reconnects += 1

    def _on_reconnected(self) -> None:
        self._spawn(self._settle())
        self._look_around()
        # what was asked for before the connection stood is forgotten by the server
        self._subscribe()

    async def _settle(self) -> None:
        await asyncio.sleep(SHAKY_S)
        self._is_reconnecting = False
        self._subscribe()

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self.closed.set()
        if self._is_leaving:
            return
        is_early = self._is_lost and reason == rtc.DisconnectReason.ROOM_CLOSED
        if (closed := endings.of_room(reason)) and not is_early:
            self._tell_left(closed)
        else:  # also a room that was closed since the agent was back in it before its caller
            name = rtc.DisconnectReason.Name(reason)
            self._tell_lost(f"the LiveKit server was lost ({name})")

    def _tell_left(self, reason: str) -> None:
        if self.listener and not self._is_leaving:
            self.listener.on_left(self, reason)

    def _tell_lost(self, reason: str) -> None:
        self._is_lost = True
        self._is_active.clear()
        if self.listener and not self._is_leaving:
            self.listener.on_lost(self, reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="phone leg")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
