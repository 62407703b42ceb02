"""What a session's record holds, as it lies on disk.

`trace.jsonl` has one `TraceFrame` per line, `session.json` one `SessionSummary`. Both name the
schema's version; a reader takes this one and the one before, and refuses others. Version 1 had no
axes and no turn-taking in its frames. Times are milliseconds from the session's start.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from voiceagent.errors import RecordError
from voiceagent.records.activity import FRAME_MS
from voiceagent.records.axes import Axes

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)
#: What version 1 counted in place of the axes.
_ONLY_IN_1 = ("user_turns", "agent_turns", "gaps_ms", "overlap_ms", "talk_share")


def check_version(version: Any, origin: str) -> None:
    """Refuse what this program cannot read.

    Raises:
        RecordError: naming the file and both versions.
    """
    if version not in READABLE_VERSIONS:
        readable = " and ".join(map(str, READABLE_VERSIONS))
        raise RecordError(f"{origin}: schema version {version}, this program reads {readable}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionHeader:
    """What is known when a session begins.

    Attributes:
        id: 32 hexadecimal digits.
        model: name of the model.
        transport: how the user came in: "webrtc", "sip" for a telephone, or "livekit".
        started_at: UTC, ISO 8601.
        role: what the agent was told to be, as text; empty for nothing.
        voice: id of the voice that it was given; empty for none.
        turn_config: thresholds of the turn-taking policy, as plain values: its decisions can be
            made again; None where no policy ran or nobody knew them.
        caller: what a caller of a LiveKit room says of itself, such as "identity" and
            "sip.phoneNumber", and "room": claims, not proof; None for others.
    """

    id: str
    model: str
    transport: str
    started_at: str
    role: str = ""
    voice: str = ""
    turn_config: dict[str, Any] | None = None
    caller: dict[str, str] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TurnTrace:
    """What turn-taking saw and decided in a frame: all of it, so that it can be run again.

    The policy's row lies here as its own trace writes it, as plain values, with a schema version of
    its own; what a reader of this trace wants of it has a property, None where a field is missing.

    Attributes:
        policy: "on", or "shadow": what it decided was only written down.
        row: "turn_schema", "state" before the frame, "observation" and "decision".
        generated_dbfs: the agent's level before it was ducked, faded or muted; None: as sent.
    """

    policy: str
    row: dict[str, Any]
    generated_dbfs: float | None = None

    @property
    def _observation(self) -> dict[str, Any]:
        found: dict[str, Any] = self.row.get("observation", {})
        return found

    @property
    def _decision(self) -> dict[str, Any]:
        found: dict[str, Any] = self.row.get("decision", {})
        return found

    @property
    def is_on(self) -> bool:
        """Whether what was decided was done."""
        return self.policy == "on"

    @property
    def state(self) -> str | None:
        """Who has the floor, such as "listen"."""
        return self._decision.get("state")

    @property
    def reason(self) -> str | None:
        """Why the state changed in this frame; None where it did not."""
        reason: str | None = self._decision.get("reason")
        return None if reason == "stay" else reason

    @property
    def p_user(self) -> float | None:
        """Probability that the user speaks."""
        return self._observation.get("p_user")

    @property
    def p_eot(self) -> float | None:
        """Probability that the user's turn is over."""
        return self._observation.get("p_eot")

    @property
    def bias_nats(self) -> float | None:
        """Added to the logit that keeps the agent silent; above 0 holds it back."""
        return self._decision.get("pad_bias_nats")

    @property
    def is_gated(self) -> bool:
        """Whether the policy closed the model's ear."""
        return bool(self._decision.get("is_gated"))

    @property
    def audio(self) -> str | None:
        """What became of the agent's sound: "pass", "duck", "fade" or "mute"."""
        return self._decision.get("audio")

    @property
    def is_resume(self) -> bool:
        """Whether the agent took up what it had broken off."""
        return bool(self._decision.get("is_resume"))

    @property
    def events(self) -> tuple[str, ...]:
        """What the watchdogs saw."""
        return tuple(self._decision.get("events", ()))

    @property
    def heard_ms(self) -> int | None:
        """How much of the agent's sound the caller has heard."""
        frames = self._observation.get("heard_frames")
        return None if frames is None else frames * FRAME_MS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TraceFrame:
    """80 ms of a session: levels, words, the model's probabilities, what the step cost.

    Probabilities are NaN where the agent is no model of ours. `events` are what happened to the
    call meanwhile, such as "dtmf 5" or "announcement greeting".
    """

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
    turn: TurnTrace | None = None
    events: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a line of `trace.jsonl`; `turn` and `events` are left out where there are none."""
        values = dataclasses.asdict(self)
        if self.turn is None:
            del values["turn"]
        if not self.events:
            del values["events"]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TraceFrame:
        """Read what `to_json` gave, in any readable version.

        Raises:
            TypeError: fields that do not fit.
        """
        turn, events = values.get("turn"), tuple(values.get("events", ()))
        turn = None if turn is None else TurnTrace(**turn)
        return cls(**{**values, "turn": turn, "events": events})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """What a session came to.

    Attributes:
        header: of the session.
        ended_at: UTC, ISO 8601.
        end_reason: why it ended, in words.
        duration_ms: frames x 80 ms.
        words_heard: words of the user that the model understood.
        words_said: words of the agent.
        step_p50_us: of the steps that this session was part of.
        step_p99_us: likewise.
        lag_p99_us: from a frame being complete to its answer.
        frames_gated: frames that reached the model as silence.
        frames_lost: input frames dropped or concealed, as the transport counts them.
        trace_rows_dropped: trace lines not written because the disk was too slow.
        has_audio: whether the sound was recorded.
        axes: how the conversation went; None in a record of version 1.
    """

    header: SessionHeader
    ended_at: str
    end_reason: str
    duration_ms: int
    words_heard: int
    words_said: int
    step_p50_us: int
    step_p99_us: int
    lag_p99_us: int
    frames_gated: int
    frames_lost: int
    trace_rows_dropped: int
    has_audio: bool
    axes: Axes | None

    def to_json(self) -> dict[str, Any]:
        """As it is written to `session.json`."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["header"] = dataclasses.asdict(self.header)
        values["axes"] = None if self.axes is None else self.axes.to_json()
        return {"schema_version": SCHEMA_VERSION, **values}

    @classmethod
    def from_json(cls, values: Any, origin: str) -> SessionSummary:
        """Read what `to_json` gave, or a summary of version 1.

        Raises:
            RecordError: another schema version, or fields that do not fit.
        """
        if not isinstance(values, dict):
            raise RecordError(f"{origin}: holds no object")
        version = values.get("schema_version")
        check_version(version, origin)
        unread = {"schema_version", *(_ONLY_IN_1 if version == 1 else ())}
        fields = {key: value for key, value in values.items() if key not in unread}
        try:
            fields["header"] = SessionHeader(**fields["header"])
            axes = fields["axes"] if version != 1 else None
            fields["axes"] = None if axes is None else Axes.from_json(axes)
            return cls(**fields)
        except (KeyError, TypeError, RecordError) as error:
            raise RecordError(f"{origin}: does not fit the schema ({error})") from error
