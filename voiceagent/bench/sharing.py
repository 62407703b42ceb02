"""A stage in several processes, each with a share of the recordings, all writing into one folder.

For stages that are bound by one core, such as a small model or a recogniser in this process. The
caller's process takes a share too, so what cannot work fails there, in the usual way. Workers are
begun anew (`spawn`): they share nothing but the folder, and end when their caller has gone.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from voiceagent.bench.folder import RunFolder
from voiceagent.bench.suite import Sample
from voiceagent.errors import BenchError, VoiceAgentError

#: Beginning a worker and loading what it needs takes as long as so many recordings.
LEAST_SHARE = 8
_PROGRESS, _FAILURE, _ERROR = "progress", "failure", "error"
_LOOK_S = 0.5

T = TypeVar("T")
OnProgress: TypeAlias = Callable[..., object]
OnFailure: TypeAlias = Callable[[str, str], object]
#: A queue between processes, of kinds and what a callback is told.
Events: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Stage(Generic[T]):
    """What is done with recordings.

    Attributes:
        run: takes folder, samples, what is opened, and two callbacks: of progress, of a failure.
        opened: a target or a recogniser, for this process.
        reopen: opens another one in another process; has to be picklable.
    """

    run: Callable[[RunFolder, Sequence[Sample], T, OnProgress, OnFailure], None]
    opened: T
    reopen: Callable[[], T | None]


@dataclass(frozen=True, slots=True)
class Share:
    """How the recordings are shared.

    Attributes:
        waiting: those that there is something to do about.
        processes: how many at most, the caller's included; fewer where little is waiting.
    """

    waiting: Sequence[Sample]
    processes: int

    def parts(self) -> list[Sequence[Sample]]:
        """What each of the other processes gets; the rest is the caller's."""
        count = max(1, min(self.processes, len(self.waiting) // LEAST_SHARE))
        return [self.waiting[part::count] for part in range(1, count)]


def run_shared(
    folder: RunFolder,
    samples: Sequence[Sample],
    stage: Stage[T],
    share: Share,
    on_progress: OnProgress,
    on_failure: OnFailure,
) -> None:
    """Run a stage.

    Args:
        folder: of the run, with its plan written.
        samples: of the plan.
        stage: see there.
        share: how.
        on_progress: told what the stage's own is.
        on_failure: likewise.

    Raises:
        BenchError: a worker has failed or died.
        VoiceAgentError: the stage's own.
    """
    parts = share.parts()
    given = {sample.key for part in parts for sample in part}
    own = [sample for sample in samples if sample.key not in given]
    context = multiprocessing.get_context("spawn")
    events: Events = context.Queue()
    work = functools.partial(_work, events, os.getpid(), stage.run, stage.reopen, folder.path)
    workers = [context.Process(target=work, args=(part,), daemon=True) for part in parts]
    told = functools.partial(_tell, events, on_progress, on_failure)

    def on_own_progress(*what: object) -> None:
        on_progress(*what)
        told(wait_s=None)

    try:
        for worker in workers:
            worker.start()
        stage.run(folder, own, stage.opened, on_own_progress, on_failure)
        while any(worker.is_alive() for worker in workers):
            told(wait_s=_LOOK_S)
        told(wait_s=None)
        _check(workers)
    finally:
        _end(workers)


def _tell(
    events: Events, on_progress: OnProgress, on_failure: OnFailure, wait_s: float | None
) -> None:
    """Pass on what workers have said."""
    while True:
        try:
            kind, what = events.get(timeout=wait_s) if wait_s else events.get_nowait()
        except queue.Empty:
            return
        if kind == _ERROR:
            raise BenchError(*what)
        (on_progress if kind == _PROGRESS else on_failure)(*what)


def _check(workers: Sequence[BaseProcess]) -> None:
    for worker in workers:
        if worker.exitcode:
            raise BenchError(
                f"a worker process ended with exit code {worker.exitcode}; the same command goes "
                "on from here, with --processes 1 in one process"
            )


def _end(workers: Sequence[BaseProcess]) -> None:
    for worker in workers:
        if worker.pid is not None:
            worker.terminate()
            worker.join()


def _work(
    events: Events,
    caller: int,
    run: Callable[..., None],
    reopen: Callable[[], Any],
    path: Path,
    samples: Sequence[Sample],
) -> None:
    """A worker's whole life."""

    def on_progress(*what: object) -> None:
        if os.getppid() != caller:  # which was killed: nobody reads what is told here
            os._exit(1)
        events.put((_PROGRESS, what))

    def on_failure(*what: str) -> None:
        events.put((_FAILURE, what))

    try:
        run(RunFolder(path), samples, reopen(), on_progress, on_failure)
    except VoiceAgentError as error:
        events.put((_ERROR, (str(error),)))
    except KeyboardInterrupt:
        pass  # the caller's as well
