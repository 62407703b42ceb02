"""What a session's record holds, as it lies on disk.

`trace.jsonl` has one `TraceFrame` per line, `session.json` one `SessionSummary`. Both name the
schema's version; a reader refuses another one. Times are milliseconds from the session's start.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from voiceagent.errors import RecordError

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionHeader:
    """What is known when a session begins.

    Attributes:
        id: 32 hexadecimal digits.
        model: name of the model.
        transport: how the user came in, such as "webrtc".
        started_at: UTC, ISO 8601.
        role: what the agent was told to be, as text; empty for nothing.
        voice: id of the voice that it was given; empty for none.
    """

    id: str
    model: str
    transport: str
    started_at: str
    role: str = ""
    voice: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TraceFrame:
    """80 ms of a session: levels, words, the model's probabilities, what the step cost."""

    step: int
    time_ms: int
    user_dbfs: float
    agent_dbfs: float
    said: str | None
    heard: str | None
    p_pad: float
    p_epad: float
    entropy: float
    is_gated: bool
    step_us: int
    lag_us: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """What a session came to. Turns, gaps and overlaps are estimated from levels and words.

    Attributes:
        header: of the session.
        ended_at: UTC, ISO 8601.
        end_reason: why it ended, in words.
        duration_ms: frames x 80 ms.
        user_turns: stretches of user speech.
        agent_turns: stretches of agent speech.
        gaps_ms: from the end of a user turn to the agent's next one, where no one spoke between.
        overlap_ms: time in which both spoke.
        talk_share: the agent's part of all speech, 0 .. 1, or None without speech.
        words_heard: words of the user that the model understood.
        words_said: words of the agent.
        step_p50_us: of the steps that this session was part of.
        step_p99_us: likewise.
        lag_p99_us: from a frame being complete to its answer.
        frames_gated: frames that reached the model as silence.
        frames_lost: input frames dropped or concealed, as the transport counts them.
        trace_rows_dropped: trace lines not written because the disk was too slow.
        has_audio: whether the sound was recorded.
    """

    header: SessionHeader
    ended_at: str
    end_reason: str
    duration_ms: int
    user_turns: int
    agent_turns: int
    gaps_ms: tuple[int, ...]
    overlap_ms: int
    talk_share: float | None
    words_heard: int
    words_said: int
    step_p50_us: int
    step_p99_us: int
    lag_p99_us: int
    frames_gated: int
    frames_lost: int
    trace_rows_dropped: int
    has_audio: bool

    def to_json(self) -> dict[str, Any]:
        """As it is written to `session.json`."""
        return {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, values: Any, origin: str) -> SessionSummary:
        """Read what `to_json` gave.

        Raises:
            RecordError: another schema version, or fields that do not fit.
        """
        if not isinstance(values, dict):
            raise RecordError(f"{origin}: holds no object")
        version = values.get("schema_version")
        if version != SCHEMA_VERSION:
            raise RecordError(f"{origin}: schema version {version}, this program reads 1")
        fields = {key: value for key, value in values.items() if key != "schema_version"}
        try:
            fields["header"] = SessionHeader(**fields["header"])
            fields["gaps_ms"] = tuple(fields["gaps_ms"])
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise RecordError(f"{origin}: does not fit the schema ({error})") from error
