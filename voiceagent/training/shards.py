"""Data made piece by piece until a stage's time is up, by several processes at once.

A shard is made from its number and the run's seed alone, so it does not matter which process makes
it; only how many there are depends on how fast the machine is. `seconds` in a shard is what it
took: a run that goes on has that much less to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voiceagent.training.clock import Deadline
from voiceagent.training.workspace import Arrays, Workspace

# between two looks for a new shard
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """What one process makes.

    Attributes:
        folder: of the shards, in the run's folder.
        seconds: of work for this process.
        rank: number of this process.
        workers: how many there are; shard n is made by process n modulo workers.
        most: shards in all, or None: as many as there is time for.
    """

    folder: str
    seconds: float
    rank: int = 0
    workers: int = 1
    most: int | None = None


def make_shards(
    workspace: Workspace,
    plan: ShardPlan,
    make: Callable[[int], Arrays],
    deadline: Deadline,
    on_seconds: Callable[[float], object] = lambda seconds: None,
) -> bool:
    """Make shards until the plan is fulfilled.

    Args:
        workspace: where to.
        plan: which, and for how long.
        make: number of a shard -> its arrays.
        deadline: of this command; a shard that has begun is finished.
        on_seconds: told how long each shard took, also those of earlier commands.

    Returns:
        Whether the plan is fulfilled; False: run again.
    """
    done = {int(name.rsplit("/", 1)[1]): name for name in workspace.shards(plan.folder)}
    spent_s, number = 0.0, plan.rank
    while (spent_s < plan.seconds or number == plan.rank) and (
        plan.most is None or number < plan.most
    ):
        if number in done:
            took_s = float(workspace.read_arrays(done[number])["seconds"])
        elif deadline.is_over():
            return False
        else:
            begin = time.monotonic()
            arrays = make(number)
            took_s = time.monotonic() - begin
            workspace.write_arrays(
                f"{plan.folder}/{number:05d}", {**arrays, "seconds": np.asarray(took_s)}
            )
        spent_s += took_s
        on_seconds(took_s)
        number += plan.workers
    return True


class GrowingShards:
    """Shards that others are still making; `more` returns those it has not returned before."""

    def __init__(self, workspace: Workspace, folder: str, names: Sequence[str]) -> None:
        """Read arrays of these names in the shards of a folder."""
        self.workspace, self.folder, self.names = workspace, folder, tuple(names)
        self.seen: set[str] = set()
        #: Of the shards read last.
        self.rows_of_shard = 0

    def wait_for(self, count: int, deadline: Deadline) -> bool:
        """Wait until there are so many shards; False where the deadline came first."""
        while len(self.workspace.shards(self.folder)) < count:
            if deadline.is_over():
                return False
            time.sleep(_LOOK_S)
        return True

    def more(self) -> dict[str, Tensor] | None:
        """Return the rows of new shards, one after the other; None where there is none."""
        new = [name for name in self.workspace.shards(self.folder) if name not in self.seen]
        if not new:
            return None
        self.seen.update(new)
        shards = [self.workspace.read_arrays(name) for name in new]
        self.rows_of_shard = len(shards[0][self.names[0]])
        return {name: joined(shards, name) for name in self.names}


def joined(shards: Iterable[Arrays], name: str) -> Tensor:
    """One array of all shards, in a row."""
    return torch.from_numpy(np.concatenate([shard[name] for shard in shards]))
