"""Suites by name: their tasks, their recordings, and when people give backchannels in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from voiceagent.bench.builtin import BUILTIN, people_of
from voiceagent.bench.fdb import FDB_V1, FDB_V15, read_people
from voiceagent.bench.folder import Plan
from voiceagent.bench.scorers.backchannel import Distribution
from voiceagent.bench.suite import Sample, Task, read_samples
from voiceagent.errors import ConfigError

SUITES: Mapping[str, tuple[Task, ...]] = {
    "builtin": BUILTIN,
    "fdb-v1": FDB_V1,
    "fdb-v1.5": FDB_V15,
}


def tasks_of(suite: str) -> dict[str, Task]:
    """The tasks of a suite by name, in order.

    Raises:
        ConfigError: there is no such suite.
    """
    if suite not in SUITES:
        raise ConfigError(f"there is no suite {suite!r}; there are: {', '.join(SUITES)}")
    return {task.name: task for task in SUITES[suite]}


def planned_samples(plan: Plan) -> list[Sample]:
    """The samples of a plan, in its order; one that has gone from the data has a fault.

    Raises:
        BenchError: the data has gone altogether.
    """
    tasks = tasks_of(plan.suite)
    there = {sample.key: sample for sample in read_samples(Path(plan.data), list(tasks.values()))}
    return [there.get(key) or _gone(plan, tasks, key) for key in plan.keys]


def people_for(plan: Plan, upstream: Path | None) -> Mapping[str, Distribution]:
    """When people give backchannels: our own scenes know; official ones need the user's checkout.

    Of a plan without a backchannel task nothing is read.

    Raises:
        BenchError: the checkout does not hold it.
    """
    if plan.suite == "builtin":
        return people_of(Path(plan.data))
    tasks = tasks_of(plan.suite)
    is_needed = any("backchannel" in tasks[key.partition("/")[0]].axes for key in plan.keys)
    return {} if upstream is None or not is_needed else read_people(upstream)


def _gone(plan: Plan, tasks: Mapping[str, Task], key: str) -> Sample:
    task, _, name = key.partition("/")
    folder = Path(plan.data) / key
    return Sample(task=tasks[task], id=name, folder=folder, fault=f"{folder}: is gone")
