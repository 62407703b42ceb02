"""Who owns which session, and what each message does: messages in, steps, messages out.

The engine process without its sockets, and the in-memory port's engine: nothing here waits, reads a
socket or looks at a clock of its own. A turn is: `receive` all that came, `turn`, send what it
returns, sleep at most `wait_us`. Bounds: each session's input queue drops its oldest frame; what a
gateway does not read is dropped by the sender, who reports it with `undelivered`.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import secrets

from voiceagent.clock import Clock
from voiceagent.errors import (
    AtCapacity,
    DetectorUnavailable,
    MalformedMessage,
    PromptRefused,
    StepFailed,
    VoiceError,
)
from voiceagent.serving.announcement import AnnouncedFrame
from voiceagent.serving.messages import (
    AgentFrame,
    Announce,
    CloseSession,
    EngineStatus,
    FromEngine,
    GetStatus,
    Message,
    OpenSession,
    OptionsRefused,
    Ping,
    Pong,
    SessionEnded,
    SessionKey,
    SessionOpened,
    SessionReady,
    SessionRefused,
    SoundPlayed,
    StatusReport,
    UserFrame,
)
from voiceagent.serving.scheduler import Scheduler
from voiceagent.serving.session import Session, SessionFrame
from voiceagent.serving.stepping import SteppingEngine

#: A gateway that says nothing for this long is gone; it pings four times in it.
VANISHED_AFTER_US = 5_000_000
#: The longest sleep: bounds how late a vanished gateway or a signal is noticed.
MAX_WAIT_US = 250_000
#: A prompt that could not be fed within this, for want of time between the others' steps, fails.
PREPARE_WITHIN_US = 60_000_000
#: Of a session's end; the log has the rest.
MAX_REASON_CHARS = 300

_log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Counters:
    """See `messages.EngineStatus`."""

    dropped_in_frames: int = 0
    dropped_out_messages: int = 0
    stale_messages: int = 0
    bad_messages: int = 0
    refused_sessions: int = 0
    vanished_clients: int = 0
    failed_steps: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class _Seat:
    """An open session and who opened it."""

    key: SessionKey
    client: bytes
    session: Session
    opened_us: int


class Hub:
    """See the module's docstring. Next: `receive`, then `turn`."""

    def __init__(self, engine: SteppingEngine, model: str, clock: Clock) -> None:
        self.counters = Counters()
        self._engine = engine
        self._model = model
        self._clock = clock
        self._scheduler = Scheduler(clock, engine.config.max_queued_frames)
        self._seats: dict[int, _Seat] = {}
        self._heard_us: dict[bytes, int] = {}
        self._outbox: list[tuple[bytes, FromEngine]] = []
        # the longest of late, older ones counting less and less
        self._step_us = self._piece_us = 0

    def receive(self, client: bytes, message: Message) -> None:
        """Take one message of a gateway.

        Raises:
            MalformedMessage: gateways do not say this.
        """
        self._heard_us[client] = self._clock.now_us()
        match message:
            case UserFrame():
                self._hear(client, message)
            case SoundPlayed():
                self._play(client, message)
            case Announce():
                self._announce(client, message)
            case Ping():
                self._send(client, Pong())
            case OpenSession():
                self._open(client, message)
            case CloseSession(key):
                self._close(client, key)
            case GetStatus(request):
                self._send(client, StatusReport(request, self.status()))
            case _:
                raise MalformedMessage(f"{type(message).__name__} to an engine")

    def turn(self) -> list[tuple[bytes, FromEngine]]:
        """Step all slots that are ready; then, if they leave the time, feed a piece of a prompt.

        Returns:
            What is to be sent, in order, and to whom.
        """
        self._reap()
        for slot in self._scheduler.starved():
            self._seats[slot].session.push_silence()
        if ready := self._scheduler.ready():
            self._step(ready)
        if self._can_prepare():
            self._prepare()
        outbox, self._outbox = self._outbox, []
        return outbox

    def wait_us(self) -> int:
        """How long to sleep unless a message comes."""
        if self._outbox or self._can_prepare():
            return 0
        return self._scheduler.wait_us(MAX_WAIT_US)

    def status(self) -> EngineStatus:
        """How the engine is doing."""
        metrics, times = self._engine.metrics, self._engine.metrics.step_times()
        counters = dataclasses.asdict(self.counters)
        for seat in self._seats.values():
            counters["dropped_in_frames"] += seat.session.dropped_frames
        return EngineStatus(
            model=self._model,
            is_promptable=self._engine.is_promptable,
            voices=self._engine.voice_ids(),
            pid=os.getpid(),
            num_slots=self._engine.config.num_slots,
            num_free=self._engine.num_free,
            num_preparing=sum(seat.session.is_preparing for seat in self._seats.values()),
            steps=metrics.steps,
            frames=metrics.frames,
            step_p50_us=times.p50_us,
            step_p99_us=times.p99_us,
            queued_frames=max(
                (seat.session.ready_frames for seat in self._seats.values()), default=0
            ),
            missed_deadlines=self._scheduler.missed_deadlines,
            silent_frames=self._scheduler.silent_frames,
            late_frames=self._scheduler.late_frames,
            late_observations=metrics.late_observations,
            rewound_frames=metrics.rewound_frames,
            flushes=metrics.flushes,
            turn_events=metrics.turn_events.total(),
            **counters,
        )

    def undelivered(self, client: bytes, message: FromEngine) -> None:
        """A message was dropped because its gateway does not read."""
        self.counters.dropped_out_messages += 1
        # a session that its gateway does not know of would never be closed
        if isinstance(message, SessionOpened) and (seat := self._find(client, message.key)):
            self._release(seat)

    def lost(self, client: bytes) -> None:
        """A gateway is gone: free its slots."""
        self._heard_us.pop(client, None)
        seats = [seat for seat in self._seats.values() if seat.client == client]
        for seat in seats:
            self._release(seat)
        if seats:
            self.counters.vanished_clients += 1
            _log.warning("a gateway vanished, slots freed: %s", [seat.key.slot for seat in seats])

    def end_all(self, reason: str) -> list[tuple[bytes, FromEngine]]:
        """End every session, as when the process stops.

        Returns:
            What is to be sent, in order, and to whom.
        """
        for seat in list(self._seats.values()):
            self._end(seat, reason)
        outbox, self._outbox = self._outbox, []
        return outbox

    def _send(self, client: bytes, message: FromEngine) -> None:
        self._outbox.append((client, message))

    def _find(self, client: bytes, key: SessionKey) -> _Seat | None:
        """The session of this key, unless it is over or another gateway's."""
        seat = self._seats.get(key.slot)
        return seat if seat and seat.key == key and seat.client == client else None

    def _open(self, client: bytes, message: OpenSession) -> None:
        try:
            session = self._engine.open_session(message.options)
        except AtCapacity as full:
            self.counters.refused_sessions += 1
            refusal = SessionRefused(message.request, full.num_slots, full.retry_after_s)
            self._send(client, refusal)
            return
        except (PromptRefused, DetectorUnavailable) as error:
            self._send(client, OptionsRefused(message.request, str(error)))
            return
        handle = session.handle
        key = SessionKey(secrets.token_hex(16), handle.index, handle.generation)
        self._seats[handle.index] = _Seat(key, client, session, self._clock.now_us())
        is_preparing = session.is_preparing
        if not is_preparing:
            self._scheduler.open(handle.index)
        opened = SessionOpened(message.request, key, session.is_prompted, is_preparing)
        self._send(client, opened)

    def _hear(self, client: bytes, message: UserFrame) -> None:
        seat = self._find(client, message.key)
        if seat is None:
            self.counters.stale_messages += 1
            self._send(client, SessionEnded(message.key, "the engine does not know this session"))
            return
        seat.session.push(message.pcm)
        if seat.session.is_preparing:
            return
        if self._scheduler.complete(message.key.slot, message.complete_us):
            seat.session.drop_oldest()

    def _play(self, client: bytes, message: SoundPlayed) -> None:
        if seat := self._find(client, message.key):
            seat.session.played(message.played_ms)
        else:
            self.counters.stale_messages += 1

    def _announce(self, client: bytes, message: Announce) -> None:
        if seat := self._find(client, message.key):
            seat.session.announcement.add(
                AnnouncedFrame(message.pcm, message.said, message.is_first, message.is_held)
            )
        else:
            self.counters.stale_messages += 1

    def _close(self, client: bytes, key: SessionKey) -> None:
        if seat := self._find(client, key):
            self._end(seat, "closed")
        else:
            self.counters.stale_messages += 1
            self._send(client, SessionEnded(key, "closed before"))

    def _step(self, ready: list[int]) -> None:
        begin_us = self._clock.now_us()
        try:
            frames = self._engine.step()
        except Exception as error:  # noqa: BLE001  the engine's supervisor: the process goes on
            self._fail(StepFailed(ready, error))
            return
        step_us = self._clock.now_us() - begin_us
        self._step_us = _recent_most(self._step_us, step_us)
        for frame in frames:
            self._answer(frame, step_us)

    def _answer(self, frame: SessionFrame, step_us: int) -> None:
        slot = frame.session.handle.index
        seat = self._seats[slot]
        answer = AgentFrame(
            key=seat.key,
            step=frame.step,
            complete_us=self._scheduler.stepped(slot),
            step_us=step_us,
            said=frame.said,
            heard=frame.heard,
            p_pad=frame.p_pad,
            p_epad=frame.p_epad,
            entropy=frame.entropy,
            is_gated=frame.is_gated,
            is_filled=frame.is_filled,
            skipped_frames=frame.skipped_frames,
            pcm=frame.pcm,
            turn=frame.turn,
            generation=frame.generation,
            is_flush=frame.is_flush,
        )
        self._send(seat.client, answer)

    def _can_prepare(self) -> bool:
        """Whether there is a prompt to be fed, and the time for a piece of it."""
        if self._engine.preparing is None:
            return False
        return self._scheduler.spare_us(self._step_us) > self._piece_us

    def _prepare(self) -> None:
        session = self._engine.preparing
        assert session is not None, "looked at just before"
        seat, begin_us = self._seats[session.handle.index], self._clock.now_us()
        try:
            is_ready = self._engine.prepare()
        except (PromptRefused, VoiceError) as error:
            self._end(seat, str(error))
            return
        except Exception as error:  # noqa: BLE001  the engine's supervisor: the process goes on
            self._fail(StepFailed([session.handle.index], error))
            return
        self._piece_us = _recent_most(self._piece_us, self._clock.now_us() - begin_us)
        if is_ready:
            self._scheduler.open(session.handle.index)
            self._send(seat.client, SessionReady(seat.key))

    def _fail(self, failure: StepFailed) -> None:
        """End the sessions that were in a failed step; their slots begin afresh when reopened."""
        self.counters.failed_steps += 1
        _log.error("%s", failure, exc_info=failure.__cause__)
        for slot in failure.slots:
            self._end(self._seats[slot], str(failure))

    def _end(self, seat: _Seat, reason: str) -> None:
        self._release(seat)
        self._send(seat.client, SessionEnded(seat.key, reason[:MAX_REASON_CHARS]))

    def _release(self, seat: _Seat) -> None:
        self.counters.dropped_in_frames += seat.session.dropped_frames
        del self._seats[seat.key.slot]
        if not seat.session.is_preparing:
            self._scheduler.close(seat.key.slot)
        self._engine.close(seat.session)

    def _reap(self) -> None:
        oldest_us = self._clock.now_us() - VANISHED_AFTER_US
        for client in [name for name, heard_us in self._heard_us.items() if heard_us < oldest_us]:
            self.lost(client)
        self._reap_preparing()

    def _reap_preparing(self) -> None:
        oldest_us = self._clock.now_us() - PREPARE_WITHIN_US
        for seat in list(self._seats.values()):
            if seat.session.is_preparing and seat.opened_us < oldest_us:
                self._end(
                    seat,
                    f"role and voice were not taken in within {PREPARE_WITHIN_US // 10**6} s: the "
                    "other conversations leave too little time",
                )


def _recent_most(most_us: int, new_us: int) -> int:
    return max(new_us, most_us - most_us // 16)
