"""All calls of one worker: which jobs it takes, and what becomes of them.

A job is one stay in a room, a call one conversation: a job that comes for a caller whose
conversation waits is led to it. Callers beyond the slots are told so and hung up. Knows jobs, not
the connection that brings them (`worker`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from voiceagent.clock import WallClock
from voiceagent.errors import (
    AtCapacity,
    EngineUnavailable,
    PromptRefused,
    RoomError,
    VoiceAgentError,
)
from voiceagent.gateway.phone import elder, endings
from voiceagent.gateway.phone.answering import say_only
from voiceagent.gateway.phone.call import Call, Setup
from voiceagent.gateway.phone.comeback import keep_in_room
from voiceagent.gateway.phone.leg import Leg
from voiceagent.gateway.phone.metrics import PhoneMetrics
from voiceagent.gateway.phone.outbound import OUTBOUND
from voiceagent.gateway.phone.wish import read_wish
from voiceagent.gateway.protocol.agent_worker import Assigned, Job
from voiceagent.gateway.recording import Origin, RecordedPort, recorded
from voiceagent.records.config import RecordsConfig
from voiceagent.serving.ports import PortClient, SessionOptions, SessionPort

LOOK_EVERY_S = 0.05
#: A job for a room made anew may come before its call has noticed that the last one is gone.
LOST_WITHIN_S = 2.0

_log = logging.getLogger(__name__)


class Calls:
    """Next: `would_take` and `take` jobs; `drain` or `close` in the end."""

    def __init__(
        self,
        engine: PortClient,
        num_slots: int,
        setup: Setup,
        origin: Origin,
        defaults: SessionOptions,
        records: RecordsConfig | None = None,
    ) -> None:
        """Without `records`, nothing of a conversation is kept.

        Args:
            engine: where sessions come from.
            num_slots: conversations at once.
            setup: of the calls.
            origin: what is known of every session, for the record.
            defaults: role and voice of calls that ask for none.
            records: where sessions are recorded.
        """
        self.metrics = PhoneMetrics(lambda: self)
        self.num_slots = num_slots
        self.is_draining = False
        #: Called whenever a call begins or ends.
        self.on_change: Callable[[], None] = lambda: None
        self._engine = engine
        self._setup = setup
        self._origin = origin
        self._defaults = defaults
        self._records = records
        self._calls: dict[str, Call] = {}
        self._told: set[str] = set()
        self._jobs: dict[str, asyncio.Task[str]] = {}
        self._legs: dict[str, Leg] = {}
        self._promised: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._calls.values()))

    @property
    def num_busy(self) -> int:
        """Slots that are taken or promised."""
        return len(self._calls) + len(self._promised)

    @property
    def load(self) -> float:
        """0 to just below the server's target: it asks no worker at or above that."""
        share = min(1.0, self.num_busy / self.num_slots)
        return 0.99 * self._setup.config.target_load * share

    def would_take(self, job: Job) -> bool:
        """Whether to accept a job; who accepts must `take` it, or `give_up`."""
        is_known = any(call.leg.room_name == job.room for call in self)
        told = 0 if job.room_metadata == OUTBOUND else self._setup.config.capacity_calls
        room_for = self.num_slots + told
        if not is_known and (self.is_draining or self.num_busy + len(self._told) >= room_for):
            self.metrics.count_refusal()
            return False
        self._promised.add(job.id)
        self.on_change()
        return True

    def claim(self, job: Job) -> dict[str, str]:
        """What the agent of an accepted job says of itself in its room, see `elder`."""
        for call in self:
            if call.leg.room_name == job.room:
                return dict(call.leg.me.claim)
        return {elder.SINCE: str(int(WallClock().now().timestamp() * 1000))}

    def give_up(self, job_id: str) -> None:
        """An accepted job will not come."""
        self._promised.discard(job_id)
        self.on_change()

    def take(self, assigned: Assigned) -> asyncio.Task[str]:
        """Begin a job; its result is what went wrong, empty for nothing."""
        task = asyncio.create_task(self._work(assigned), name="phone job")
        self._jobs[assigned.job.id] = task
        task.add_done_callback(lambda done: self._jobs.pop(assigned.job.id, None))
        return task

    def terminate(self, job_id: str) -> None:
        """The server ended a job: so does its call, unless that goes on in another room."""
        leg = self._legs.get(job_id)
        for call in self:
            if call.leg is leg:
                call.end("the LiveKit server ended the job")

    def job_ids(self) -> list[str]:
        """Jobs that go on."""
        return list(self._jobs)

    async def drain(self, within_s: float) -> None:
        """Take no new calls, and wait until those that go on are over, or end them then."""
        self.is_draining = True
        self.on_change()
        if not await self._wait(within_s):
            await self.close()

    async def close(self) -> None:
        """End all calls."""
        self.is_draining = True
        for call in self:
            call.end("the worker stops")
        if self._tasks:
            await asyncio.wait(self._tasks)
        for job in list(self._jobs.values()):
            job.cancel()
        await asyncio.gather(*self._jobs.values(), return_exceptions=True)

    async def _wait(self, within_s: float) -> bool:
        """Whether all calls were over in time."""
        try:
            async with asyncio.timeout(within_s):
                while self._tasks or self._promised or self._told:  # noqa: ASYNC110  # three kinds
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            return False
        return True

    async def _work(self, assigned: Assigned) -> str:
        """The supervisor of one job: what goes wrong in it goes no further."""
        job = assigned.job
        try:
            while await self._stay(assigned) and not self.is_draining:
                _log.info("room %s: another call took its caller's place", job.room)
        except RoomError as error:
            _log.warning("%s", error)
            return error.reason
        except Exception:  # noqa: BLE001  # the one supervisor of a job
            _log.exception("job %s failed", job.id)
            return "a fault of this program"
        finally:
            self.give_up(job.id)
        return ""

    async def _stay(self, assigned: Assigned) -> bool:
        """One stay in the room of a job; whether another call took the place of its caller."""
        job = assigned.job
        leg = self._legs[job.id] = Leg(job.room, self._setup.clock)
        try:
            await leg.join(assigned.url or self._setup.config.signal_url, assigned.token)
            await self._serve(job, leg)
            await leg.closed.wait()
        finally:
            await leg.leave()
            del self._legs[job.id]
        return leg.is_replaced

    async def _serve(self, job: Job, leg: Leg) -> None:
        caller = await leg.wait_caller(self._setup.config.caller_within_s)
        key = caller.key
        if (call := self._calls.get(key)) is not None:
            if call.leg.room_name == job.room:
                self._promised.discard(job.id)
                await self._go_on(call, leg)
                return
            key = f"{key} {job.id}"  # who calls is a claim: this is another call that says the same
        if (other := leg.elder()) is not None:
            _log.info("room %s: %s: %s", job.room, endings.ELDER, other.identity)
            await leg.leave()
            return
        try:
            port = await self._open(job)
        except (AtCapacity, EngineUnavailable, PromptRefused) as error:
            await self._tell(leg, job, error)
            return
        call = Call(self._setup, leg, self._recorded(port, job, leg))
        self._calls[key] = call
        call.key = key
        self._promised.discard(job.id)
        self.metrics.count_call()
        if (reason := _gone(leg)) is not None:  # while there was no call to tell so
            call.on_left(leg, reason)
        task = asyncio.create_task(self._hold(call), name="phone call")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.on_change()

    async def _go_on(self, call: Call, leg: Leg) -> None:
        """Lead a caller who has come back to its conversation, which nobody else may take over."""
        if not await call.wait_lost(LOST_WITHIN_S):
            _log.info("room %s: its caller is spoken with already", leg.room_name)
            await leg.leave()
            return
        await leg.publish()
        leg.answer()
        call.attach(leg)

    async def _open(self, job: Job) -> SessionPort:
        """A slot; with the defaults where what the job asks for cannot be had."""
        options = read_wish(job.metadata, self._defaults)
        try:
            return await self._engine.open(options)
        except PromptRefused as error:
            _log.warning("room %s: %s; the defaults hold", job.room, error)
            return await self._engine.open(self._defaults)

    def _recorded(self, port: SessionPort, job: Job, leg: Leg) -> SessionPort | RecordedPort:
        if self._records is None:
            return port
        assert leg.caller is not None, "a record begins when the caller is known"
        origin = self._origin.of_caller(
            "sip" if leg.caller.is_phone else "livekit", leg.caller.claims(job.room)
        )
        return recorded(port, self._records, origin, read_wish(job.metadata, self._defaults))

    async def _tell(self, leg: Leg, job: Job, error: VoiceAgentError) -> None:
        """Answer a caller for whom there is no slot, say so, and hang up."""
        _log.warning("room %s: no slot: %s", job.room, error)
        self._told.add(job.id)
        self._promised.discard(job.id)
        self.metrics.count_told()
        try:
            with self._setup.watched(leg):
                await say_only(leg, self._setup, "at_capacity")
        finally:
            self._told.discard(job.id)
            if leg.caller is not None and leg.caller.is_phone and leg.elder() is None:
                await self._setup.control.hang_up(leg.room_name, leg.caller.identity)
            await leg.leave()

    async def _hold(self, call: Call) -> None:
        """The supervisor of one conversation: what goes wrong in it goes no further."""
        reason = "a fault of this program"
        coming_back = asyncio.create_task(keep_in_room(call, self._setup), name="phone way back")
        try:
            with self._setup.watched(call.leg):
                reason = await call.run()
            _log.info("the call in room %s ended: %s", call.leg.room_name, reason)
        except Exception:  # noqa: BLE001  # the one supervisor of a conversation
            _log.exception("the call in room %s failed", call.leg.room_name)
        finally:
            coming_back.cancel()
            (outcome,) = await asyncio.gather(coming_back, return_exceptions=True)
            if isinstance(outcome, Exception):
                _log.error("no way back into room %s", call.leg.room_name, exc_info=outcome)
            self._calls.pop(call.key, None)
            self.metrics.count_end(call)
            self.on_change()
            if isinstance(call.port, RecordedPort):
                summary = await call.port.finish(reason, call.dropped_frames)
                if summary is not None and summary.axes is not None:
                    self.metrics.axes.count(summary.axes)


def _gone(leg: Leg) -> str | None:
    """Why there is nobody on a leg for whom to begin a conversation; None where there is."""
    if leg.elder() is not None:
        return endings.ELDER
    return None if leg.has_caller else endings.UNANSWERED
