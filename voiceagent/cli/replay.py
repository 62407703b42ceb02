"""`voiceagent replay`: who had the floor in a past conversation, decided again."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import json
from collections.abc import Sequence
from typing import Any

from voiceagent.cli.sessions import add_records_argument
from voiceagent.errors import ConfigError
from voiceagent.records.activity import FRAME_MS
from voiceagent.records.page import count
from voiceagent.records.store import RecordStore, SessionRecord
from voiceagent.settings import parse_field
from voiceagent.turntaking.compare import Comparison, Stretch, changes, compare
from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.trace import TurnRow, config_from_json, from_json

DESCRIPTION = """\
Runs every recorded frame through the turn-taking policy again. With the thresholds that the
conversation had, every decision comes out the same, to the last bit; if one does not, that is
listed and the exit code is 1. --set shows what other thresholds would have decided, such as

  voiceagent replay 3f2a --set yield_after_frames=8 --set duck_db=-9

The user and the model stay as they were recorded: the table shows where paths part, not where they
would have led. Thresholds are the fields of voiceagent.turntaking.config.TurnConfig, frames of
80 ms. 'voiceagent sessions list' names the sessions.
"""
MAX_STRETCHES = 12
_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "replay",
        help="a past conversation's turn-taking decided again",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("id", metavar="SESSION", help="the beginning of its id")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="FIELD=VALUE",
        help="another threshold; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="all of it, as one JSON document")
    add_records_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Decide again and say what differs; 1 where that is not for the thresholds."""
    wished = parse_changes(options.changes)
    store = RecordStore(options.records)
    session_id = store.find(options.id)
    record = store.record(session_id)
    known = record.header.turn_config is not None
    config = config_from_json(record.header.turn_config or {}, f"session {session_id[:8]}")
    found = compare(_rows(record), changed(config, wished))
    if options.json:
        print(json.dumps(_document(record, config, wished, found), indent=1))
    else:
        print(_text(record, config, wished, found, is_config_known=known))
    return 1 if found.differences and not wished else 0


def parse_changes(texts: Sequence[str]) -> dict[str, Any]:
    """Thresholds by name, of texts such as "duck_db=-9"; the last of a name counts.

    Raises:
        ConfigError: no such threshold, naming those with similar names, or a value of another type.
    """
    return dict(_parse_change(text) for text in texts)


def changed(config: TurnConfig, wished: dict[str, Any]) -> TurnConfig:
    """Thresholds with some of them replaced.

    Raises:
        ConfigError: out of range, or they do not fit together.
    """
    try:
        return dataclasses.replace(config, **wished)
    except ValueError as error:
        raise ConfigError(f"--set: {error}") from error


def _parse_change(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    name = name.strip()
    fields = [field.name for field in dataclasses.fields(TurnConfig)]
    if name not in fields:
        near = difflib.get_close_matches(name, fields, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(fields)}"
        raise ConfigError(f"--set {text}: no threshold '{name}'; {hint}")
    default = getattr(TurnConfig(), name)
    wanted = _KINDS.get(type(default), "words with commas between them")
    if not sign:
        raise ConfigError(f"--set {text}: write {name}=VALUE, where VALUE is {wanted}")
    try:
        return name, parse_field(TurnConfig, name, value.strip())
    except (TypeError, ValueError) as error:
        raise ConfigError(f"--set {text}: '{value}' is not {wanted}") from error


def _rows(record: SessionRecord) -> list[TurnRow]:
    """Of all frames in which the policy decided."""
    return [
        from_json(json.dumps(frame.turn.row), f"{record.header.id[:8]} frame {frame.step}")
        for frame in record.trace
        if frame.turn is not None
    ]


def _policy(record: SessionRecord) -> str | None:
    """Whether it was "on" or in "shadow"; None where no frame was decided."""
    return next((frame.turn.policy for frame in record.trace if frame.turn is not None), None)


def _text(
    record: SessionRecord,
    config: TurnConfig,
    wished: dict[str, Any],
    found: Comparison,
    *,
    is_config_known: bool,
) -> str:
    name, policy = f"session {record.header.id[:8]}", _policy(record)
    if not record.trace:
        return f"{name}: 0 frames, nothing was decided"
    if policy is None:
        frames = count(len(record.trace), "frame")
        return f"{name}: {frames} without turn-taking; it ran with the policy off, or before it"
    lines = [f"{name}: {_verdict(record, wished, found)}; the policy was {policy}"]
    if not is_config_known:
        lines.append("its record does not name its thresholds: taken are this program's defaults")
    if found.num_missing:
        lines.append(f"the record lacks {count(found.num_missing, 'frame')}: taken up again after")
    lines += [f"{key}: {_plain(getattr(config, key))} -> {_plain(v)}" for key, v in wished.items()]
    if found.differences:
        lines += ["", *_table(_count_rows(found)), "", *_stretch_lines(found.stretches())]
    return "\n".join(lines)


def _verdict(record: SessionRecord, wished: dict[str, Any], found: Comparison) -> str:
    decided = sum(frame.turn is not None for frame in record.trace)
    frames, different = count(decided, "frame"), len(found.differences)
    if not different:
        return f"{frames}, every decision the same"
    would = "would have been" if wished else "are"
    return f"{frames}, {different} of them {would} decided otherwise"


def _count_rows(found: Comparison) -> list[tuple[str, ...]]:
    """What the decisions come to, before and after: transitions first, then frames."""
    rows: list[tuple[str, ...]] = [("", "recorded", "replayed", "")]
    transitions = found.recorded.transitions | found.replayed.transitions
    for one in sorted(transitions):
        label = f"{one[0]} -> {one[1]} ({one[2].replace('_', ' ')})"
        rows.append(
            _count_row(label, found.recorded.transitions[one], found.replayed.transitions[one])
        )
    for name in sorted(found.recorded.actions | found.replayed.actions):
        label = f"frames {name.replace('_', ' ')}"
        rows.append(_count_row(label, found.recorded.actions[name], found.replayed.actions[name]))
    return rows


def _count_row(label: str, recorded: int, replayed: int) -> tuple[str, ...]:
    change = replayed - recorded
    return (label, str(recorded), str(replayed), f"{change:+d}" if change else "")


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    ]


def _stretch_lines(stretches: Sequence[Stretch]) -> list[str]:
    shown = stretches[:MAX_STRETCHES]
    lines = ["from       frames  first frame: recorded -> replayed"]
    lines += [
        f"{_clock(one.first.frame):>9}  {one.frames:>6}  {_change_text(one)}" for one in shown
    ]
    if more := len(stretches) - len(shown):
        lines.append(f"and {more} more; --json has them all")
    return lines


def _change_text(stretch: Stretch) -> str:
    pairs = changes(stretch.first).items()
    return ", ".join(f"{name} {_plain(a)} -> {_plain(b)}" for name, (a, b) in pairs)


def _clock(frame: int) -> str:
    """When a frame begins, such as "1:05.28"."""
    minutes, ms = divmod(frame * FRAME_MS, 60_000)
    return f"{minutes}:{ms // 1000:02d}.{ms % 1000 // 10:02d}"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _document(
    record: SessionRecord, config: TurnConfig, wished: dict[str, Any], found: Comparison
) -> dict[str, Any]:
    return {
        "session": record.header.id,
        "policy": _policy(record),
        "frames": len(record.trace),
        "decided": sum(frame.turn is not None for frame in record.trace),
        "missing": found.num_missing,
        "is_config_recorded": record.header.turn_config is not None,
        "config": dataclasses.asdict(config),
        "set": wished,
        "transitions": [
            {
                **dict(zip(("from", "to", "reason"), one, strict=True)),
                "recorded": found.recorded.transitions[one],
                "replayed": found.replayed.transitions[one],
            }
            for one in sorted(found.recorded.transitions | found.replayed.transitions)
        ],
        "actions": {
            name: {
                "recorded": found.recorded.actions[name],
                "replayed": found.replayed.actions[name],
            }
            for name in sorted(found.recorded.actions | found.replayed.actions)
        },
        "differences": [
            {
                "frame": one.frame,
                "time_ms": one.frame * FRAME_MS,
                "recorded": dataclasses.asdict(one.recorded),
                "replayed": dataclasses.asdict(one.replayed),
            }
            for one in found.differences
        ],
    }
