"""What `voiceagent bench` prints: the numbers of a run, and two runs beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from voiceagent.bench.compare import Comparison
from voiceagent.bench.report import definition, headline, number_text
from voiceagent.bench.summary import columns_of


def print_summary(summary: dict[str, Any]) -> None:
    """Every number of every task, the official ones marked."""
    print(f"{headline(summary)}  rules: {summary['rules']}")
    print(made_with(summary))
    rows: list[tuple[object, ...]] = [("", "* official", "value (95 %)", "n")]
    for task in summary["tasks"].values():
        for column in columns_of(task["axes"]):
            number = task["numbers"][column.name]
            whose = definition(column, task["axes"], summary["rules"])
            mark = "* " if whose == "official" else "  "
            rows.append((task["title"], mark + column.title, number_text(number), number["n"]))
        for reason, count in task["missing"].items():
            rows.append((task["title"], f"  missing: {reason}", "", count))
    _print_table(rows)


def made_with(summary: Mapping[str, Any]) -> str:
    """What the numbers hang on besides the rules, in a line."""
    heard = [_named(source, "recogniser", "version", "model") for source in summary["words_from"]]
    judged = [f"{_named(judge, 'judge')}, seed {judge['seed']}" for judge in summary["judged_by"]]
    session = summary["target"].get("session") or {}
    parts = {
        "turn-taking": session.get("policy") or "the target's own",
        "words": "; ".join(heard) or "none",
        "judge": "; ".join(judged) or "none",
        "detector": summary["detector"],
    }
    return "  ".join(f"{name}: {text}" for name, text in parts.items())


def _named(source: Mapping[str, Any], *keys: str) -> str:
    return " ".join(str(source[key]) for key in keys if source.get(key))


def print_comparison(comparisons: Sequence[Comparison]) -> None:
    """Every difference with its interval."""
    rows: list[tuple[object, ...]] = [("", "", "first", "second", "second - first, 95 %", "n")]
    for found in comparisons:
        change = found.difference
        interval = "" if change.low is None else f" ({change.low:+.3f} to {change.high:+.3f})"
        means = f"{found.first:.3f}", f"{found.second:.3f}"
        rows.append((found.task, found.title, *means, f"{change.value:+.3f}{interval}", change.n))
    _print_table(rows)


def _print_table(rows: Sequence[Sequence[object]]) -> None:
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())
