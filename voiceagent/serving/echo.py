"""An engine that gives each session its own frames back, for measuring everything around a model.

The same interface as `engine.Engine`, no torch. What a loop over it costs is the cost of the loop.
"""

from __future__ import annotations

from voiceagent.clock import Clock, MonotonicClock
from voiceagent.errors import AtCapacity
from voiceagent.serving.config import EngineConfig, SessionOptions
from voiceagent.serving.metrics import StepMetrics
from voiceagent.serving.session import Session, SessionFrame
from voiceagent.serving.slots import SlotTable


class EchoEngine:
    """See the module's docstring. Next: `open_session`, `Session.push`, `step`, `close`."""

    def __init__(self, config: EngineConfig | None = None, clock: Clock | None = None) -> None:
        self.config = config or EngineConfig()
        self.metrics = StepMetrics()
        self._clock = clock or MonotonicClock()
        self._slots = SlotTable(self.config.num_slots)
        self._sessions: dict[int, Session] = {}

    @property
    def num_free(self) -> int:
        """Sessions that could be opened now."""
        return self._slots.num_free

    def open_session(self, options: SessionOptions | None = None) -> Session:
        """Start a conversation in a fresh slot.

        Raises:
            AtCapacity: every slot is taken.
        """
        handle = self._slots.acquire()
        if handle is None:
            raise AtCapacity(self.config.num_slots, self.config.retry_after_s)
        session = Session(handle, options or SessionOptions(), self.config)
        self._sessions[handle.index] = session
        return session

    @property
    def is_promptable(self) -> bool:
        """Nobody can be told to be an echo."""
        return False

    @property
    def preparing(self) -> Session | None:
        """Nobody, ever."""
        return None

    def voice_ids(self) -> tuple[str, ...]:
        """It has no voice of its own."""
        return ()

    def prepare(self) -> bool:
        """Nobody is `preparing`."""
        return True

    def close(self, session: Session) -> None:
        """End a conversation and free its slot.

        Raises:
            SessionClosed: it was closed before.
        """
        self._slots.release(session.handle)
        del self._sessions[session.handle.index]

    def step(self) -> list[SessionFrame]:
        """Give every session that has a complete frame that frame back."""
        begin_us = self._clock.now_us()
        frames = [self._echo(item) for item in self._sessions.values() if item.ready_frames]
        if frames:
            gated = sum(frame.is_gated for frame in frames)
            duration_us = self._clock.now_us() - begin_us
            self.metrics.record_step(duration_us, len(frames), len(frames), gated)
        return frames

    def _echo(self, session: Session) -> SessionFrame:
        item = session.next_input()
        session.steps += 1
        pcm, is_announced = session.announcement.take(item.pcm)
        return SessionFrame(
            session=session,
            step=session.steps - 1,
            pcm=pcm,
            said=session.announcement.tell() if is_announced else None,
            heard=None,
            request=None,
            user_codes=(),
            agent_codes=(),
            p_pad=1.0,
            p_epad=0.0,
            entropy=0.0,
            is_gated=item.is_gated,
            is_filled=item.is_filled,
            skipped_frames=session.take_skipped(),
        )
