"""The policy's record: what it was, saw and did, frame by frame; and what it would have done.

A row is one line of JSON and comes back as it was, floats to the last bit. `replay` runs the
observations again: with the same config every decision is the same; with another, `diff` says which
are not. The model and the user are as they were recorded, so a diff shows where paths part, not
where they would have led.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from voiceagent.errors import RecordError
from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.policy import decide
from voiceagent.turntaking.types import (
    Audio,
    Decision,
    Event,
    Forced,
    Observation,
    Reason,
    State,
    Text,
    TurnState,
)

SCHEMA_VERSION = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TurnRow:
    """One frame.

    Attributes:
        state: before the observation.
        observation: of the frame.
        decision: that followed.
    """

    state: TurnState
    observation: Observation
    decision: Decision

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values, which JSON gives back as they are."""
        rows = {"state": self.state, "observation": self.observation, "decision": self.decision}
        return {"turn_schema": SCHEMA_VERSION, **{name: _plain(row) for name, row in rows.items()}}


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A frame in which another config decides otherwise."""

    frame: int
    recorded: Decision
    replayed: Decision


def from_json(line: str, origin: str = "turn trace") -> TurnRow:
    """Read what `TurnRow.to_json` gave.

    Args:
        line: one line.
        origin: named in errors.

    Raises:
        RecordError: no JSON, another schema version, or fields that do not fit.
    """
    try:
        values = json.loads(line)
    except ValueError as error:
        raise RecordError(f"{origin}: not JSON ({error})") from error
    version = values.get("turn_schema") if isinstance(values, dict) else None
    if version != SCHEMA_VERSION:
        raise RecordError(
            f"{origin}: schema version {version}, this program reads {SCHEMA_VERSION}"
        )
    try:
        return TurnRow(
            state=_read(TurnState, values["state"]),
            observation=_read(Observation, values["observation"]),
            decision=_read(Decision, values["decision"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"{origin}: does not fit the schema ({error})") from error


def config_from_json(values: Any, origin: str = "turn trace") -> TurnConfig:
    """The thresholds that `dataclasses.asdict` made plain; one that is missing has its default.

    Raises:
        RecordError: thresholds that this program does not have, or that do not fit.
    """
    try:
        fields = dict(values)
        if "backchannel_words" in fields:
            fields["backchannel_words"] = tuple(fields["backchannel_words"])
        return TurnConfig(**fields)
    except (TypeError, ValueError) as error:
        raise RecordError(f"{origin}: thresholds that cannot be used ({error})") from error


def replay(trace: Iterable[TurnRow], config: TurnConfig) -> list[Decision]:
    """Decide all frames again, in order.

    Args:
        trace: rows. Of the first, and where rows before it are missing, the state is taken, of
            all others only the observation.
        config: thresholds, the recorded session's or others.
    """
    decisions, state = [], None
    for row in trace:
        if state is None or state.frame != row.state.frame:
            state = row.state
        state, decision = decide(config, state, row.observation)
        decisions.append(decision)
    return decisions


def diff(trace: Sequence[TurnRow], config: TurnConfig) -> list[Difference]:
    """The frames in which this config decides otherwise than the recorded one did."""
    return differences(trace, replay(trace, config))


def differences(trace: Sequence[TurnRow], replayed: Sequence[Decision]) -> list[Difference]:
    """The frames in which these decisions, one per row, are not the recorded ones."""
    return [
        Difference(row.observation.frame, row.decision, again)
        for row, again in zip(trace, replayed, strict=True)
        if not _is_same(row.decision, again)
    ]


def _is_same(one: Decision, other: Decision) -> bool:
    """Equal to the last bit: 0.0 is not -0.0."""
    signs = [
        (math.copysign(1, decision.pad_bias_nats), math.copysign(1, decision.epad_bias_nats))
        for decision in (one, other)
    ]
    return one == other and signs[0] == signs[1]


def _plain(row: Any) -> dict[str, Any]:
    """A flat row's fields; `dataclasses.asdict` takes longer than the decision itself."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        if isinstance(value, enum.StrEnum):
            value = value.value
        elif isinstance(value, tuple):
            value = [event.value for event in value]
        values[field.name] = value
    return values


_ENUMS = {
    (TurnState, "state"): State,
    (TurnState, "watchdog"): Event,
    (Observation, "text"): Text,
    (Decision, "state"): State,
    (Decision, "reason"): Reason,
    (Decision, "forced_text"): Forced,
    (Decision, "audio"): Audio,
}


def _read(kind: type[Any], values: dict[str, Any]) -> Any:
    names = {field.name for field in dataclasses.fields(kind)}
    if names != set(values):
        raise ValueError(f"missing or unknown: {', '.join(sorted(names ^ set(values)))}")
    read = {
        name: _ENUMS[kind, name](value) if (kind, name) in _ENUMS and value is not None else value
        for name, value in values.items()
    }
    if kind is Decision:
        read["events"] = tuple(Event(event) for event in read["events"])
    return kind(**read)
