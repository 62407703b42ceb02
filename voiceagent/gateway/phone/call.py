"""One conversation with a caller of a LiveKit room: one slot, one record, one reason for the end.

It outlives the leg on which it began: when the connection to the LiveKit server breaks it waits for
its caller to come back, on the same leg or on the one of a new job. Whatever ends it, the slot is
given back first, then a goodbye is said where there is somebody to hear it, and a telephone is
hung up, since LiveKit would leave it in silence. Section 4: between `leg` and `serving.ports`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from voiceagent.audio.framing import FRAME_MS, SAMPLE_RATE_HZ
from voiceagent.audio.level import rms_dbfs
from voiceagent.clock import Clock
from voiceagent.errors import RoomError, SessionClosed
from voiceagent.gateway.phone import ear
from voiceagent.gateway.phone.announcements import Announcements, Name
from voiceagent.gateway.phone.beat import lead_samples
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.control import RoomControl
from voiceagent.gateway.phone.leg import Leg
from voiceagent.gateway.phone.mouth import Mouth
from voiceagent.gateway.phone.operator import Operator
from voiceagent.gateway.phone.silence import SilenceWatch
from voiceagent.gateway.phone.speaker import Speaker
from voiceagent.gateway.phone.state import ATTRIBUTE, SPEECH_DBFS, AgentState, State
from voiceagent.gateway.phone.texts import Texts
from voiceagent.gateway.phone.transcript import Transcript
from voiceagent.gateway.phone.watchdog import Watchdog
from voiceagent.gateway.recording import RecordedPort
from voiceagent.serving.ports import PortFrame, SessionPort

WATCH_EVERY_S = 0.25
#: A goodbye of one's own may not keep the line for ever.
GOODBYE_WITHIN_S = 10.0

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Setup:
    """What all calls of a worker share."""

    config: LiveKitConfig
    sounds: Announcements
    control: RoomControl
    clock: Clock
    watchdog: Watchdog | None = None

    def watched(self, leg: Leg) -> AbstractContextManager[None]:
        """While in it, a telephone on this leg is hung up even when this process is killed."""
        if self.watchdog is None or leg.caller is None or not leg.caller.is_phone:
            return nullcontext()
        return self.watchdog.holding(leg.room_name, leg.caller.identity)


class Call:
    """Next: `run`, once; `attach` another leg, `end`, `say` and `operator` from anywhere."""

    def __init__(self, setup: Setup, leg: Leg, port: SessionPort | RecordedPort) -> None:
        assert leg.caller is not None, "a call begins when its caller is known"
        self.leg = leg
        self.port = port
        self.key = leg.caller.key
        self.is_phone = leg.caller.is_phone
        self.frames = 0
        self.reconnects = 0
        self.speaker = Speaker(Mouth(setup.config.comfort_noise_dbfs), setup.clock)
        self.texts = Texts(leg)
        self.operator = Operator(self, setup.config, setup.control)
        self._setup = setup
        self._config = setup.config
        self._clock = setup.clock
        self._begin_us = setup.clock.now_us()
        self._reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._transcript = Transcript(leg.room_name)
        self._state = AgentState()
        self._told_state: State | None = None
        self._silence = SilenceWatch(int(setup.config.unheard_after_s * 1e6))
        self._past_dropped_frames = 0
        self._is_active = False
        self._is_on_beat = False
        self._has_left = False
        self._lost: tuple[int, str] | None = None
        self._losing = asyncio.Event()
        self.speaker.on_heard = port.played
        leg.listener = self

    @property
    def dropped_frames(self) -> int:
        """80 ms frames' worth of sound lost to full queues, both ways."""
        ears = self._past_dropped_frames + self.leg.ear.dropped_frames
        out_samples = self.speaker.mouth.playout.counts.dropped_samples
        return (
            self.port.dropped_in_frames
            + self.port.dropped_out_frames
            + -(-ears // (FRAME_MS // ear.FRAME_MS))
            + out_samples // (SAMPLE_RATE_HZ * FRAME_MS // 1000)
        )

    @property
    def is_lost(self) -> bool:
        """Whether it waits for its caller to come back."""
        return self._lost is not None

    async def wait_lost(self, within_s: float) -> bool:
        """Whether it waits for its caller to come back, now or soon."""
        try:
            async with asyncio.timeout(within_s):
                await self._losing.wait()
        except TimeoutError:
            return False
        return True

    def end(self, reason: str) -> None:
        """End the conversation; the first reason stays."""
        if not self._reason.done():
            self._reason.set_result(reason)

    async def run(self) -> str:
        """Hold the conversation until it is over; returns why it ended."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(work, name=f"phone {name}")
                    for name, work in self._works().items()
                ]
                reason = await asyncio.shield(self._reason)
                await self._say_goodbye()
                for task in [*tasks, *self._tasks]:
                    task.cancel()
            return reason
        finally:
            await self.port.close()
            await self._part()

    def attach(self, leg: Leg) -> None:
        """Go on with the caller on this leg, which is answered already; the one before is left."""
        old, self.leg = self.leg, leg
        self._past_dropped_frames += old.ear.dropped_frames
        leg.listener, old.listener = self, None
        self.texts.move(leg)
        self.spawn(old.leave())
        self.on_back(leg)

    def say(self, name: Name, *, is_held: bool = True) -> None:
        """Have an announcement made; see `SessionPort.announce`."""
        recorded = self._setup.sounds[name]
        self.note(f"announcement {name}")
        if not self.port.announce(recorded.pcm, recorded.text, is_held=is_held):
            _log.warning("room %s: no way for the announcement %s", self.leg.room_name, name)

    def note(self, event: str) -> None:
        """Write down what happens besides sound and words."""
        if isinstance(self.port, RecordedPort):
            self.port.note(event)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside, until the call is over."""
        task = asyncio.create_task(work, name="phone call")
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def on_key(self, digit: str) -> None:
        """See `listener.Listener`."""
        self.operator.on_key(digit)

    def on_order(self, topic: str, data: bytes) -> None:
        """See `listener.Listener`."""
        self.operator.on_order(topic, data)

    def on_sound(self, leg: Leg) -> None:
        """See `listener.Listener`."""
        pcm = leg.ear.take()
        if not self._is_active or leg is not self.leg:
            return
        if not self._is_on_beat:
            self._is_on_beat = True
            lead = np.zeros(lead_samples(self._clock.now_us(), pcm.size), np.float32)
            pcm = np.concatenate([lead, pcm])
        self.port.push(pcm)

    def on_left(self, leg: Leg, reason: str) -> None:
        """See `listener.Listener`."""
        if leg is not self.leg:
            return
        self._has_left = True
        if self.operator.transfer_to is not None:
            reason = f"transferred to {self.operator.transfer_to}"
        elif self._silence.is_warned:
            reason += " or was cut off: nothing had been heard of it"
        self.end(reason)

    def on_lost(self, leg: Leg, reason: str) -> None:
        """See `listener.Listener`."""
        if leg is not self.leg or self._lost is not None:
            return
        _log.warning("room %s: %s; the conversation is kept", leg.room_name, reason)
        self._lost = self._clock.now_us(), reason
        self._losing.set()
        self.speaker.leg = None
        self._is_on_beat = False
        self.note(f"lost: {reason}")

    def on_back(self, leg: Leg) -> None:
        """See `listener.Listener`."""
        if leg is not self.leg:
            return
        self._lost = None
        self._losing.clear()
        self.reconnects += 1
        self.speaker.leg = leg
        self._silence.restart(self._clock.now_us())
        self.note("the caller is back")
        self._told_state = None

    def _works(self) -> dict[str, Coroutine[Any, Any, None]]:
        return {
            "begin": self._begin(),
            "frames": self._take_frames(),
            "speaker": self.speaker.run(),
            "texts": self.texts.run(),
            "watch": self._watch(),
        }

    async def _begin(self) -> None:
        """Answer when the model is ready, greet when the caller can hear it."""
        leg = self.leg
        try:
            await leg.publish()
        except RoomError as error:
            self.end(str(error))
            return
        await self.port.wait_ready()
        await asyncio.sleep(self._config.answer_after_ms / 1000)
        self.speaker.leg = leg
        leg.answer()
        await leg.wait_active()
        self._is_active = True
        self._silence.restart(self._clock.now_us())
        if self._config.greeting:
            self.say("greeting", is_held=False)  # a model that answers already has more to say

    async def _take_frames(self) -> None:
        try:
            async for frame in self.port.frames():
                self._take(frame)
        except SessionClosed as closed:
            self.end(f"engine: {closed}")

    def _take(self, frame: PortFrame) -> None:
        self.frames += 1
        now_us = self._clock.now_us()
        self.speaker.mouth.push(frame.pcm, frame.step, frame.generation)
        if rms_dbfs(frame.pcm) > SPEECH_DBFS:
            self._silence.spoken(now_us)
        if frame.heard is not None:
            self.texts.tell(self._transcript.add("user", frame.heard, now_us))
        if frame.said is not None:
            self.texts.tell(self._transcript.add("agent", frame.said, now_us))
        self._tell_state(self._state.add(frame))

    def _tell_state(self, state: State) -> None:
        if state != self._told_state:
            self._told_state = state
            self.texts.set(ATTRIBUTE, state)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            now_us = self._clock.now_us()
            self.texts.tell(self._transcript.settle(now_us))
            if reason := self.overdue(now_us):
                self.end(reason)

    def overdue(self, now_us: int) -> str | None:
        """Why the conversation must end by the clock; None while it may go on."""
        if now_us - self._begin_us > self._config.max_call_s * 1e6:
            return f"longer than {self._config.max_call_s:g} s"
        if self._lost is not None:
            lost_us, reason = self._lost
            if now_us - lost_us > self._config.hold_s * 1e6:
                return f"{reason}, and the caller did not come back in {self._config.hold_s:g} s"
            return None
        if not self._is_active:
            return None
        match self._silence.judge(self.leg.ear.heard_us, now_us):
            case "warn":
                self.say("cannot_hear_you")
            case "end":
                return "nothing was heard from the caller, who was told so"
        return None

    async def _say_goodbye(self) -> None:
        """Give the slot back; then tell whoever is still there."""
        await self.port.close()
        self.texts.tell(self._transcript.finish())
        if self._has_left or self._lost is not None or not self._is_active:
            return
        if self.operator.transfer_to is None:
            goodbye = self._setup.sounds["goodbye"]
            self.speaker.mouth.say(goodbye.pcm)
            self.texts.tell(self._transcript.whole("agent", goodbye.text))
        try:
            async with asyncio.timeout(GOODBYE_WITHIN_S):
                await self.speaker.finish()
        except TimeoutError:
            pass

    async def _part(self) -> None:
        """Hang up and leave."""
        for task in self._tasks:
            task.cancel()
        caller = self.leg.caller
        if self.is_phone and caller is not None and not self._has_left:
            await self._setup.control.hang_up(self.leg.room_name, caller.identity)
        await self.leg.leave()

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("%s failed", task.get_name(), exc_info=error)
