"""What a training run is: where, how long, with what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voiceagent.model.checkpoint import OwnFolder
from voiceagent.training.budget import Budget
from voiceagent.training.clock import Deadline
from voiceagent.training.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What a run is.

    Attributes:
        path: its folder.
        seed: of everything.
        budget: time and processes.
        deadline: when this command stops, done or not.
        device: of the networks, and of what calls are heard with; speech is made on CPUs.
        start: the model to go on from; None begins with nothing.
    """

    path: Path
    seed: int
    budget: Budget
    deadline: Deadline
    device: str = "cpu"
    start: OwnFolder | None = None

    def __post_init__(self) -> None:
        assert self.budget.is_tuning == (self.start is not None), "time is shared out otherwise"

    @property
    def workspace(self) -> Workspace:
        """Its files."""
        return Workspace(self.path)

    @property
    def settings(self) -> dict[str, object]:
        """What makes it another run."""
        settings: dict[str, object] = {
            "seed": self.seed,
            "budget_s": self.budget.seconds,
            "workers": self.budget.workers,
            "device": self.device,
        }
        if self.start is None:
            return settings
        parts = (f"{Path(file).stem} {sha[:12]}" for file, sha in self.start.sha256.items())
        return settings | {"from": ", ".join(parts), "teach": self.budget.teach}


#: A stage's work in one process: run, rank, number of processes -> whether it is done.
Work = Callable[[TrainingRun, int, int], bool]
