"""A session's port that also writes the session's record.

It has the interface of `SessionPort` and hands everything on; what passes by goes to a
`SessionRecorder`, whose thread does the writing. A disk that fails ends the record, never the call.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np

from voiceagent.audio.framing import FRAME_SAMPLES, Samples
from voiceagent.audio.level import rms_dbfs
from voiceagent.records.axes import Axes
from voiceagent.records.config import RecordsConfig
from voiceagent.records.floor import Floor
from voiceagent.records.recorder import SessionRecorder, utc_now
from voiceagent.records.schema import SessionHeader, SessionSummary, TraceFrame, TurnTrace
from voiceagent.serving.ports import PortFrame, SessionOptions, SessionPort

#: User sound kept until the frame that it belongs to comes back: a second.
MAX_PENDING_SAMPLES = 24_000

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a session comes from.

    Attributes:
        model: name of the model.
        turn_config: thresholds that its turn-taking policy decides by, as plain values.
        transport: see `records.schema.SessionHeader`; likewise `caller`.
    """

    model: str
    turn_config: dict[str, Any] | None = None
    transport: str = "webrtc"
    caller: dict[str, str] | None = None

    def of_caller(self, transport: str, caller: dict[str, str]) -> Origin:
        """The same, of a session with this caller."""
        return dataclasses.replace(self, transport=transport, caller=caller)


def recorded(
    port: SessionPort,
    config: RecordsConfig,
    origin: Origin,
    options: SessionOptions | None = None,
) -> SessionPort | RecordedPort:
    """The port with a record, or as it was where no record can be begun (logged).

    Args:
        port: of a session that has just begun.
        config: where records lie.
        origin: of the session.
        options: what the session asked for.
    """
    told = options if options and port.is_prompted else SessionOptions()
    header = SessionHeader(
        id=uuid.uuid4().hex,
        started_at=utc_now(),
        role=told.role,
        voice=told.voice,
        **dataclasses.asdict(origin),
    )
    try:
        recorder = SessionRecorder(config.dir, header, with_audio=config.with_audio)
    except OSError as error:
        _log.error("this session is not recorded: %s", error)
        return port
    return RecordedPort(port, recorder)


class RecordedPort:
    """See the module's docstring. Next: as a `SessionPort`; `finish` when the peer is gone."""

    def __init__(self, port: SessionPort, recorder: SessionRecorder) -> None:
        self._port = port
        self._recorder = recorder
        self._pending = np.zeros(0, np.float32)
        self._events: list[str] = []
        #: Who has it now.
        self.floor = Floor()

    @property
    def session_id(self) -> str:
        """Names the record: 32 hexadecimal digits."""
        return self._recorder.folder.name

    @property
    def ended(self) -> str | None:
        """See `SessionPort.ended`."""
        return self._port.ended

    @property
    def dropped_in_frames(self) -> int:
        """See `SessionPort.dropped_in_frames`."""
        return self._port.dropped_in_frames

    @property
    def dropped_out_frames(self) -> int:
        """See `SessionPort.dropped_out_frames`."""
        return self._port.dropped_out_frames

    @property
    def is_preparing(self) -> bool:
        """See `SessionPort.is_preparing`."""
        return self._port.is_preparing

    async def wait_ready(self) -> None:
        """See `SessionPort.wait_ready`."""
        await self._port.wait_ready()

    def push(self, pcm: Samples) -> None:
        """See `SessionPort.push`."""
        if self._port.is_preparing:
            self._port.push(pcm)
            return
        self._pending = np.concatenate((self._pending, pcm))[-MAX_PENDING_SAMPLES:]
        self._port.push(pcm)

    def played(self, played_ms: int) -> None:
        """See `SessionPort.played`."""
        self._port.played(played_ms)

    def announce(self, pcm: Samples, text: str = "", *, is_held: bool = True) -> bool:
        """See `SessionPort.announce`."""
        return self._port.announce(pcm, text, is_held=is_held)

    async def frames(self) -> AsyncIterator[PortFrame]:
        """See `SessionPort.frames`."""
        async for frame in self._port.frames():
            self._record(frame)
            yield frame

    async def close(self) -> None:
        """See `SessionPort.close`."""
        await self._port.close()

    def note(self, event: str) -> None:
        """Write down, with the next frame, what happens to the call besides sound and words."""
        self._events.append(event)

    def measurement(self, frames_lost: int) -> Callable[[], Axes]:
        """See `SessionRecorder.measurement`."""
        return self._recorder.measurement(frames_lost=frames_lost)

    async def finish(self, reason: str, frames_lost: int) -> SessionSummary | None:
        """Write the summary, off the loop; None where the disk refused it (logged)."""
        try:
            return await asyncio.to_thread(self._recorder.close, reason, frames_lost=frames_lost)
        except OSError as error:
            _log.error("the record of session %s is lost: %s", self.session_id, error)
            return None

    def _record(self, frame: PortFrame) -> None:
        """The sound that waits longest belongs to this frame, unless the engine had none."""
        self._pending = self._pending[frame.skipped_frames * FRAME_SAMPLES :]
        count = 0 if frame.is_filled else FRAME_SAMPLES
        user, self._pending = self._pending[:count], self._pending[count:]
        stereo = np.zeros((FRAME_SAMPLES, 2), np.float32)
        stereo[: len(user), 0] = user
        stereo[:, 1] = frame.pcm
        row = TraceFrame(
            step=frame.step,
            time_ms=frame.time_ms,
            user_dbfs=round(rms_dbfs(user), 1),
            agent_dbfs=round(rms_dbfs(frame.pcm), 1),
            said=frame.said,
            heard=frame.heard,
            p_pad=round(frame.p_pad, 4),
            p_epad=round(frame.p_epad, 4),
            entropy=round(frame.entropy, 4),
            is_gated=frame.is_gated,
            step_us=frame.step_us,
            lag_us=frame.lag_us,
            turn=None if frame.turn is None else TurnTrace(**frame.turn),
            events=tuple(self._events),
        )
        self._events.clear()
        self._recorder.frame(row, stereo)
        self.floor.add(row)
