"""One JSON document of a run: each task's numbers with their intervals, and all that they hang on.

The official columns keep their names and their arithmetic; honest columns stand beside them. A task
of which some recordings were not played or failed says so, and the whole is whole only if every one
of them was scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voiceagent.bench.figures import Estimate, mean, median, share
from voiceagent.bench.folder import DONE, FAILED, Plan
from voiceagent.bench.rules import Rules
from voiceagent.bench.score import Row
from voiceagent.bench.scorers import behaviour, prosody, significance
from voiceagent.bench.suite import Task
from voiceagent.records.figures import HUMAN_SOURCE, human_distance_ms

SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A number of a task.

    Attributes:
        name: key in the JSON.
        title: for tables.
        of: made from the rows that were scored.
        better: "up", "down" or "" where neither is.
        is_official: whether Full-Duplex-Bench has it.
    """

    name: str
    title: str
    of: Callable[[Sequence[Row]], Estimate]
    better: str = ""
    is_official: bool = False


def _share_of(field: str) -> Callable[[Sequence[Row]], Estimate]:
    return lambda rows: share([row.get(field) for row in rows])


def _mean_of(field: str) -> Callable[[Sequence[Row]], Estimate]:
    return lambda rows: mean([row.get(field) for row in rows])


def _median_of(field: str) -> Callable[[Sequence[Row]], Estimate]:
    return lambda rows: median([row.get(field) for row in rows])


def _people_distance(rows: Sequence[Row]) -> Estimate:
    """Wasserstein-1 distance to people's timing, seconds; without an interval."""
    offsets = [offset for row in rows for offset in row["offsets_ms"]]
    distance_ms = human_distance_ms(offsets)
    return Estimate(None if distance_ms is None else distance_ms / 1000, None, None, len(offsets))


def _tag_share(tag: str) -> Callable[[Sequence[Row]], Estimate]:
    return lambda rows: share(
        [None if row.get("behaviour") is None else row["behaviour"] == tag for row in rows]
    )


def _tor(better: str) -> Column:
    return Column("tor", "Takeover rate", _share_of("takeover"), better, is_official=True)


_LATENCY = Column("latency_s", "Latency, s", _mean_of("latency_s"), "down", is_official=True)
_BY_SOUND = Column("tor_by_sound", "Takeover rate by sound", _share_of("takeover_by_sound"))
_EARLY = Column(
    "spoke_before_turn_end", "Spoke before turn end", _share_of("spoke_before_turn_end"), "down"
)
_CENSORED = Column("right_censored", "Still spoke at the end", _share_of("right_censored"), "down")
_GOOD = Column("good", "As wanted, by timing", _share_of("is_good"), "up")
_SILENT = Column("not_exercised", "Nothing to interrupt", _share_of("not_exercised"))
_THROUGH = Column("talked_through", "Talked through", _share_of("talked_through"))
_TO_PEOPLE = Column("people_distance_s", "Distance to people, s", _people_distance, "down")

COLUMNS: dict[str, tuple[Column, ...]] = {
    "pause": (_tor("down"), _BY_SOUND, _EARLY),
    "backchannel": (
        Column("tor", "Takeover rate", _share_of("backchannel_takeover"), "down", is_official=True),
        Column(
            "per_s", "Backchannels a second", _mean_of("backchannels_per_s"), "up", is_official=True
        ),
        Column("jsd", "Placement (JSD)", _mean_of("backchannel_jsd"), "down", is_official=True),
        _EARLY,
    ),
    "turn": (
        _tor("up"),
        _LATENCY,
        Column("latency_p50_s", "Median latency, s", _median_of("latency_s"), "down"),
        _TO_PEOPLE,
        _BY_SOUND,
        _EARLY,
    ),
    "interruption": (_tor("up"), _LATENCY, _SILENT, _THROUGH),
    "overlap": (
        *(
            Column(tag, tag.capitalize(), _tag_share(tag), is_official=True)
            for tag in behaviour.TAGS
        ),
        Column("stop_s", "Stops after, s", _mean_of("stop_s"), "", is_official=True),
        Column("respond_s", "Speaks again after, s", _mean_of("respond_s"), "", is_official=True),
        _SILENT,
        _THROUGH,
    ),
    "silence": (
        _tor("down"),
        Column("tor_by_sound", "Takeover rate by sound", _share_of("takeover_by_sound"), "down"),
    ),
    "rating": (Column("rating", "Rating, 0 to 5", _mean_of("rating"), "up", is_official=True),),
    "answer": (
        Column("right", "Answer right", _share_of("is_right"), "up"),
        Column("answers_after_s", "Median time to the answer, s", _median_of("answers_after_s")),
    ),
}
#: What every task has besides.
COMMON = (_GOOD, _CENSORED)


def columns_of(axes: Sequence[str]) -> tuple[Column, ...]:
    """The columns of a task, each once, those that all tasks have last."""
    found = [column for axis in axes for column in COLUMNS[axis]]
    return tuple({column.name: column for column in (*found, *COMMON)}.values())


def summarise(
    plan: Plan,
    tasks: Mapping[str, Task],
    rows: Sequence[Row],
    rules: Rules,
    words_from: Sequence[Mapping[str, Any]],
    judged_by: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The summary of a run.

    Args:
        plan: of the run.
        tasks: by name, in the suite's order.
        rows: one for each key of the plan.
        rules: that the rows were made by.
        words_from: every source that the words came from.
        judged_by: everybody who judged.
    """
    by_task = {
        name: task_summary(task, [row for row in rows if row["task"] == name])
        for name, task in tasks.items()
        if any(row["task"] == name for row in rows)
    }
    return {
        "schema": SCHEMA,
        "suite": plan.suite,
        "is_whole": all(task["scored"] == task["planned"] for task in by_task.values()),
        "rules": rules.name,
        "rules_note": rules.note,
        "words_from": list(words_from),
        "judged_by": list(judged_by),
        "detector": "Silero VAD 6.2, 16 kHz, defaults",
        "people": HUMAN_SOURCE,
        "target": plan.target,
        "settings": plan.settings,
        "tasks": by_task,
    }


def task_summary(task: Task, rows: Sequence[Row]) -> dict[str, Any]:
    """The numbers of one task."""
    scored = [row for row in rows if row["status"] == DONE]
    found: dict[str, Any] = {
        "title": task.title,
        "axes": list(task.axes),
        "wanted": task.wanted,
        "planned": len(rows),
        "scored": len(scored),
        "failed": sum(row["status"] == FAILED for row in rows),
        "official_n": task.num_official,
        "missing": _missing(scored),
        "numbers": {c.name: c.of(scored).to_json() for c in columns_of(task.axes)},
    }
    if "overlap" in task.axes:
        found["voice"] = voice_summary(scored)
    return found


def voice_summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The voice before and after the overlap and in the clean twin, and what changed.

    Args:
        rows: that were scored.

    Returns:
        "means": piece -> measure -> mean without the outer percentiles, of all recordings;
        "changes": "pre to post" and "clean to post" -> measure -> paired test, of those in which
        the overlap was responded to.
    """
    known = [row for row in rows if "prosody" in row]
    responded = [row["prosody"] for row in known if row.get("behaviour") == behaviour.RESPOND]
    return {
        "means": {
            piece: {name: _trimmed_mean(known, piece, name) for name in prosody.MEASURES}
            for piece in ("pre", "post", "clean")
        },
        "changes": {f"{first} to post": _changes(responded, first) for first in ("pre", "clean")},
    }


def _trimmed_mean(rows: Sequence[Row], piece: str, name: str) -> float | None:
    pieces = [row["prosody"].get(piece, {}) for row in rows]
    values = [found[name] for found in pieces if found.get(name) is not None]
    value = prosody.trimmed_mean(values)
    return None if value is None else round(value, 3)


def _changes(voices: Sequence[Mapping[str, Any]], first: str) -> dict[str, Any]:
    """From a piece to what follows the overlap, measure by measure."""
    both = [(voice[first], voice["post"]) for voice in voices if first in voice]
    pairs = {name: [(a.get(name), b.get(name)) for a, b in both] for name in prosody.MEASURES}
    return {name: change.to_json() for name, change in significance.changes(pairs).items()}


def _missing(rows: Sequence[Row]) -> dict[str, int]:
    """Why something is not there -> of how many recordings."""
    reasons = [reason for row in rows for reason in row["missing"].values()]
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}
