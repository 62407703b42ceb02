"""A run from the outside: begin it or find it again, score it, read its summary.

What the command line and the tests call; each function is one stage over the run's folder. Next
after `begin`: `runner.play_samples`, `recognise.recognise_samples`, `verdicts.judge_samples` where
there is a judge, then `score_run`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from voiceagent.bench.folder import Plan, RunFolder, check_apart
from voiceagent.bench.rules import CORRECTED, Rules
from voiceagent.bench.score import Row, Scoring, score_together
from voiceagent.bench.suite import Sample, chosen, read_samples
from voiceagent.bench.suites import people_for, planned_samples, tasks_of
from voiceagent.bench.summary import SCHEMA, summarise
from voiceagent.bench.transcript import read_json
from voiceagent.bench.verdicts import read_verdict
from voiceagent.errors import BenchError

_MOST_THREADS = 4
#: Recordings that are listened to at once.
_TOGETHER = 8
ROWS, SUMMARY = "scores.jsonl", "summary.json"


def plan_run(
    suite: str,
    data: Path,
    target: dict[str, Any],
    settings: dict[str, Any],
    *,
    tasks: Sequence[str] = (),
    limit: int | None = None,
) -> Plan:
    """What a run over some data is to do.

    Args:
        suite: its name.
        data: where the recordings lie.
        target: what it says about itself.
        settings: of the suite.
        tasks: names; none for all that are there.
        limit: recordings of each task; None for all.

    Raises:
        ConfigError: there is no such suite.
        BenchError: the data is missing, empty, or has no such task.
    """
    found = read_samples(data, list(tasks_of(suite).values()))
    return Plan(
        suite=suite,
        data=str(data.resolve()),
        keys=tuple(sample.key for sample in chosen(found, tasks, limit)),
        target=target,
        settings=settings,
    )


def begin(folder: RunFolder, plan: Plan) -> list[Sample]:
    """Begin a run, or go on with it.

    Raises:
        BenchError: the folder holds another run, or lies in the data.
    """
    check_apart(folder.path, Path(plan.data))
    folder.begin(plan)
    return planned_samples(plan)


def score_run(
    folder: RunFolder,
    rules: Rules = CORRECTED,
    upstream: Path | None = None,
    on_sample: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Score every recording of a run, and write rows and summary.

    Args:
        folder: of the run.
        rules: which arithmetic.
        upstream: a checkout of the official repository, for the distribution of people.
        on_sample: told after each recording.

    Returns:
        The summary, as written.

    Raises:
        BenchError: there is no run, its data has gone, or a file cannot be written.
    """
    plan = folder.plan()
    scoring = Scoring(rules=rules, people=people_for(plan, upstream))
    samples, rows = planned_samples(plan), []
    for row in score_samples(folder, samples, scoring):
        rows.append(row)
        on_sample()
    heard, judged = _word_sources(folder, samples), _judges(folder, samples)
    summary = summarise(plan, tasks_of(plan.suite), rows, rules, heard, judged)
    folder.write_text(ROWS, "".join(json.dumps(row) + "\n" for row in rows))
    folder.write(SUMMARY, summary)
    return summary


def score_samples(folder: RunFolder, samples: Sequence[Sample], scoring: Scoring) -> Iterator[Row]:
    """Score recordings, several beside one another; see `score.score_together`.

    Yields:
        Their rows, in order.
    """

    def score(first: int) -> list[Row]:
        return list(score_together(folder, samples[first : first + _TOGETHER], scoring))

    # the detector's network, which takes most of the time, runs outside the interpreter's lock
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1), "score") as pool:
        for rows in pool.map(score, range(0, len(samples), _TOGETHER)):
            yield from rows


def read_summary(folder: RunFolder) -> dict[str, Any]:
    """The summary of a run.

    Raises:
        BenchError: it was not scored, or by another version.
    """
    path = folder.path / SUMMARY
    if not path.is_file():
        raise BenchError(f"{folder.path}: is not scored; run 'voiceagent bench score' on it")
    document = read_json(path)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise BenchError(f"{path}: of another version; run 'voiceagent bench score' once more")
    return document


def read_rows(folder: RunFolder) -> list[Row]:
    """The rows of a run, in the plan's order.

    Raises:
        BenchError: it was not scored.
    """
    read_summary(folder)
    lines = (folder.path / ROWS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _judges(folder: RunFolder, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Everybody who gave a verdict that counts, each once."""
    found: list[dict[str, Any]] = []
    for sample in samples:
        judged = folder.judged(sample.key)
        if judged and judged["judge"] not in found and read_verdict(folder, sample)[0] is not None:
            found.append(judged["judge"])
    return found


def _word_sources(folder: RunFolder, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Every source of words, each once."""
    found: list[dict[str, Any]] = []
    for sample in samples:
        recognised = folder.recognised(sample.key)
        if recognised is not None and recognised.source not in found:
            found.append(recognised.source)
    return found
