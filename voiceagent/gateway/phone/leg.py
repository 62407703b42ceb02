"""One stay in a LiveKit room: the one caller heard, the agent's track, texts, keys and state.

A leg says what happens to it through a `Listener` and decides nothing: whether a conversation ends
or waits for its caller to come back is `call`'s. Only the caller is subscribed to, and only when
the call is to be answered: livekit-sip lets the phone ring until somebody listens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from livekit import rtc

from voiceagent.audio.framing import Samples
from voiceagent.clock import Clock
from voiceagent.errors import RoomError
from voiceagent.gateway.phone import endings
from voiceagent.gateway.phone.caller import Caller, choose, is_caller
from voiceagent.gateway.phone.claims import clean
from voiceagent.gateway.phone.ear import Ear
from voiceagent.gateway.phone.elder import Agent, elder
from voiceagent.gateway.phone.entrance import LEAVE_WITHIN_S, enter
from voiceagent.gateway.phone.hearing import Hearing
from voiceagent.gateway.phone.listener import Listener
from voiceagent.gateway.phone.track import AgentTrack

#: A caller who vanishes so soon after the connection was mended was lost with it.
SHAKY_S = 1.0
#: Why a telephone has hung up is told a little later than that it has.
REASON_WITHIN_S = 0.25
_log = logging.getLogger(__name__)


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
        #: Whether another call of the caller's identity is here in its place.
        self.is_replaced = False
        self.track_sid = ""
        self._hearing = Hearing(self.ear, clock, self._on_sound)
        self._caller_came = asyncio.Event()
        self._is_active = asyncio.Event()
        self._track: AgentTrack | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_answered = False
        self._is_reconnecting = False
        self._is_lost = False
        self._is_leaving = False
        self._is_left = False

    async def join(self, url: str, token: str) -> None:
        """Enter the room.

        Raises:
            RoomError: it cannot be entered; says why, without the token.
        """
        for event, handler in self._handlers().items():
            self.room.on(event, handler)  # type: ignore[arg-type]
        await enter(self.room, self.room_name, url, token)
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

    @property
    def me(self) -> Agent:
        """The agent on this leg, as the room shows it; once it has joined."""
        return Agent.of(self.room.local_participant)

    def elder(self) -> Agent | None:
        """An agent in the room that goes on with this caller in place of this one."""
        here = self.room.remote_participants.values()
        agents = [one for one in here if one.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT]
        return elder(self.me, map(Agent.of, agents))

    @property
    def has_caller(self) -> bool:
        """Whether the caller is in the room now."""
        return (
            self.caller is not None
            and not self._is_left
            and self.caller.identity in self.room.remote_participants
        )

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
        self._hearing.stop()
        for task in self._tasks:
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
        """Choose the caller among those who are here, and give way to an elder agent."""
        here = [Caller.of(participant) for participant in self.room.remote_participants.values()]
        if self.caller is None:
            if (chosen := choose(here)) is not None:
                self._take(chosen)
        else:
            back = [caller for caller in here if caller.key == self.caller.key]
            if back and self._is_lost:
                self._take(back[0])
        if self.elder() is not None:
            self._tell_left(endings.ELDER)

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
        if not self._is_answered or self.caller is None or self._is_left:
            return
        participant = self.room.remote_participants.get(self.caller.identity)
        publications = participant.track_publications.values() if participant else ()
        audio = [item for item in publications if item.kind == rtc.TrackKind.KIND_AUDIO]
        audio.sort(key=lambda item: item.source != rtc.TrackSource.SOURCE_MICROPHONE)
        if audio and not audio[0].subscribed:
            audio[0].set_subscribed(True)

    def _on_participant(self, participant: rtc.RemoteParticipant) -> None:
        if self._is_left and self.caller and participant.identity == self.caller.identity:
            self.is_replaced = True
        elif self.caller is not None and not self._is_lost and is_caller(Caller.of(participant)):
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
            self._leave_off("the caller hung up")

    def _leave_off(self, reason: str) -> None:
        self._is_left = True
        self._spawn(self._tell_why(reason))

    async def _tell_why(self, reason: str) -> None:
        await asyncio.sleep(REASON_WITHIN_S)
        if self.is_replaced:
            reason = endings.of_caller(rtc.DisconnectReason.DUPLICATE_IDENTITY)
        self._tell_left(reason)

    def _on_departure(self, participant: rtc.RemoteParticipant) -> None:
        if self.caller is None or participant.identity != self.caller.identity:
            return
        if self._is_reconnecting and not self.caller.has_hung_up:
            self._tell_lost("the connection to the LiveKit server broke")
        elif reason := participant.disconnect_reason:
            self._tell_left(endings.of_caller(reason))
        else:
            self._leave_off("the caller hung up")

    def _on_track(
        self,
        track: rtc.Track,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        if self.caller is None or participant.identity != self.caller.identity:
            return
        self._hearing.listen(track)

    def _on_sound(self) -> None:
        if self.listener:
            self.listener.on_sound(self)

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
