"""A stage's processes: each of one thread, started together, done when all are.

Two of them beat two threads of one (measured, README.md). Those that teach the same network meet
(gloo), so that they can average their gradients.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import ProcessRaisedException, spawn

from voiceagent.errors import TrainingError
from voiceagent.training.run import TrainingRun, Work
from voiceagent.training.stages import (
    learn_conversation,
    learn_hearing,
    learn_listening,
    learn_voice,
)

#: What several processes teach one network, gradients averaged.
_TOGETHER = (learn_conversation, learn_hearing, learn_listening, learn_voice)


def run_all(run: TrainingRun, works: Sequence[Work]) -> bool:
    """Do a stage's work, each part in a process of its own where there are several.

    So it is with a GPU too: its memory is free again when the process has ended.
    """
    if len(works) == 1 and run.device == "cpu":
        torch.set_num_threads(1)
        return works[0](run, 0, 1)
    with tempfile.TemporaryDirectory() as folder:
        try:
            spawn(_worker, (run, list(works), folder), len(works))  # type: ignore[no-untyped-call]
        except ProcessRaisedException as error:
            raise TrainingError(f"a training process failed: {error}") from error
        return all((Path(folder) / f"done-{rank}").exists() for rank in range(len(works)))


def _worker(rank: int, run: TrainingRun, works: list[Work], folder: str) -> None:
    """One process of a stage: it is told its rank among those that do the same."""
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")  # on a GPU; a CPU computes as ever
    alike = [i for i, work in enumerate(works) if work is works[rank]]
    size = len(alike)
    is_together = works[rank] in _TOGETHER and size > 1
    if is_together:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size
        )
    if works[rank](run, alike.index(rank), size):
        (Path(folder) / f"done-{rank}").touch()
    if is_together:
        dist.destroy_process_group()
