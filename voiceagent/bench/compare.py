"""Two runs beside each other: the same recordings, pair by pair.

A difference is of the recordings that both runs scored, with the interval of a paired bootstrap. It
is only called comparable where suite, rules, words and data are the same; else it says what is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voiceagent.bench.figures import Estimate, difference
from voiceagent.bench.folder import DONE
from voiceagent.bench.score import Row
from voiceagent.errors import BenchError

#: Field of a row -> title, of what can be compared recording by recording.
FIELDS: Mapping[str, str] = {
    "takeover": "Takeover rate",
    "latency_s": "Latency, s",
    "backchannel_takeover": "Takeover rate (backchannel)",
    "backchannels_per_s": "Backchannels a second",
    "backchannel_jsd": "Placement (JSD)",
    "stop_s": "Stops after, s",
    "respond_s": "Speaks again after, s",
    "answers_after_s": "Time to the answer, s",
    "is_right": "Answer right",
    "rating": "Rating, 0 to 5",
    "behaves": "As wanted, by words",
    "is_good": "As wanted, by timing",
    "spoke_before_turn_end": "Spoke before turn end",
    "talked_through": "Talked through",
    "not_exercised": "Nothing to interrupt",
}
_MUST_AGREE = ("suite", "rules", "words_from", "judged_by", "detector")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of one task.

    Attributes:
        task: its name.
        title: of the number.
        first: mean of the first run, over the recordings that both have.
        second: likewise.
        difference: second - first.
    """

    task: str
    title: str
    first: float
    second: float
    difference: Estimate


def disagreements(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """What makes two summaries no fair comparison; empty where nothing does."""
    found = [
        f"{name}: {first[name]} against {second[name]}"
        for name in _MUST_AGREE
        if first[name] != second[name]
    ]
    names = ("the first run", "the second run")
    for name, summary in zip(names, (first, second), strict=True):
        if not summary["is_whole"]:
            found.append(f"{name} is not whole")
    return found


def compare_rows(first: Sequence[Row], second: Sequence[Row]) -> list[Comparison]:
    """Every number that both runs have, task by task.

    Raises:
        BenchError: they have no recording in common.
    """
    others = {(row["task"], row["id"]): row for row in second if row["status"] == DONE}
    pairs = [
        (row, others[row["task"], row["id"]])
        for row in first
        if row["status"] == DONE and (row["task"], row["id"]) in others
    ]
    if not pairs:
        raise BenchError("the two runs have no scored recording in common")
    tasks = dict.fromkeys(row["task"] for row, _ in pairs)
    return [
        found
        for task in tasks
        for field, title in FIELDS.items()
        if (found := _compared(task, title, field, pairs)) is not None
    ]


def _compared(
    task: str, title: str, field: str, pairs: Sequence[tuple[Row, Row]]
) -> Comparison | None:
    both = [
        (float(a[field]), float(b[field]))
        for a, b in pairs
        if a["task"] == task and a.get(field) is not None and b.get(field) is not None
    ]
    if not both:
        return None
    before, after = zip(*both, strict=True)
    return Comparison(
        task=task,
        title=title,
        first=sum(before) / len(before),
        second=sum(after) / len(after),
        difference=difference(before, after),
    )
