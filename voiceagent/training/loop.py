"""One training loop for all stages: by the clock, in pieces, alone or with a second process.

A stage gets seconds, not steps: learning rate, noise and the like follow the share of its time that
is over, so the same command makes the best of a slow and a fast machine. Every minute or so the
whole state goes to disk; a later command goes on there. Two processes average their gradients
after every step (gloo), each with batches of its own. Where a gradient is not finite, all go back
to what was last on disk.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from voiceagent.errors import TrainingError
from voiceagent.training.clock import Deadline
from voiceagent.training.workspace import Workspace

CHECKPOINT_S = 60.0
# a process that was suspended has not used its budget meanwhile
_LONGEST_STEP_S = 20.0
# at the rate of what begins with nothing, what is known already is lost first
_GENTLE_SHARE = 0.1
_WARM_UP = 0.03  # of the stage's time
_LEAST_RATE = 0.02
_CLIP = 1.0
_MAX_DIVERGED = 20

_log = logging.getLogger(__name__)


class Task(Protocol):
    """What a stage teaches."""

    #: Names its checkpoint and its curve.
    name: str
    #: Of the network, and where batches are drawn.
    device: torch.device
    learning_rate: float
    betas: tuple[float, float]
    weight_decay: float
    #: What the names of parameters begin with that know something already, from another network:
    #: they learn at `_GENTLE_SHARE` of the rate.
    gentle: str | None

    @property
    def module(self) -> nn.Module:
        """Its parameters are trained, its buffers kept with them."""

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one batch, and its parts by name.

        Args:
            progress: share of the stage's time that is over, 0 to 1.
            generator: where the batch is drawn from.
        """

    def evaluate(self) -> dict[str, float]:
        """Return figures on held-out data; the module is in evaluation mode."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1


@dataclass(slots=True)
class Clock:
    """Progress of a stage over several commands."""

    elapsed_s: float = 0.0
    steps: int = 0
    diverged: int = 0


def train(
    task: Task,
    seconds: float,
    workspace: Workspace,
    deadline: Deadline,
    *,
    seed: int,
    world: World | None = None,
    on_seconds: Callable[[float, str], object] = lambda elapsed_s, note: None,
) -> bool:
    """Train a stage until its time is over.

    Args:
        task: what to train; its module is changed in place.
        seconds: of the stage, all commands together.
        workspace: of the run.
        deadline: of this command.
        seed: of the batches; every process has draws of its own.
        world: the processes that train together; None is this one alone.
        on_seconds: told the stage's elapsed seconds and a note on the losses.

    Returns:
        Whether the stage is done; False: run again.

    Raises:
        TrainingError: gradients are not finite, again and again.
    """
    world = world or World()
    optimiser = torch.optim.AdamW(
        _groups(task),
        lr=task.learning_rate,
        betas=task.betas,
        weight_decay=task.weight_decay,
        fused=True,
    )
    clock = _read(task, optimiser, workspace) or Clock()
    generator = torch.Generator(task.device).manual_seed(
        seed * 1000 + world.rank + 7919 * clock.steps
    )
    looked_s, saved_s = time.monotonic(), clock.elapsed_s
    task.module.train()
    parts: dict[str, float] = {}
    while True:
        now_s = time.monotonic()
        step_s, looked_s = min(now_s - looked_s, _LONGEST_STEP_S), now_s
        elapsed_s, is_stopped = _agree(clock.elapsed_s + step_s, deadline.is_over(), world)
        clock.elapsed_s = elapsed_s
        is_done = elapsed_s >= seconds
        if is_done or is_stopped or elapsed_s - saved_s >= min(CHECKPOINT_S, seconds / 4):
            if world.rank == 0 and parts:  # this command has made a step
                _checkpoint(task, optimiser, clock, parts, workspace)
            saved_s = elapsed_s
            if is_done or is_stopped:
                return is_done
        progress = min(1.0, elapsed_s / seconds)
        _set_rate(optimiser, task.learning_rate, progress)
        loss, parts = task.loss(progress, generator)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if world.size > 1:
            average_gradients(task.module, world)
        clock.steps += 1
        if nn.utils.clip_grad_norm_(task.module.parameters(), _CLIP).isfinite():
            optimiser.step()
        else:
            _go_back(task, optimiser, clock, workspace)
        on_seconds(elapsed_s, _note(parts))


def average_gradients(module: nn.Module, world: World) -> None:
    """Replace every gradient by its mean over the processes, in one exchange."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    flat = torch.cat(
        [
            torch.zeros(p.numel()) if p.grad is None else p.grad.detach().flatten()
            for p in parameters
        ]
    )
    dist.all_reduce(flat)
    flat /= world.size
    first = 0
    for parameter in parameters:
        grad = flat[first : first + parameter.numel()]
        parameter.grad = grad.view_as(parameter).clone()
        first += parameter.numel()


def _read(task: Task, optimiser: torch.optim.Optimizer, workspace: Workspace) -> Clock | None:
    checkpoint = workspace.read_checkpoint(task.name)
    if checkpoint is None:
        return None
    task.module.load_state_dict(checkpoint["module"])
    optimiser.load_state_dict(checkpoint["optimiser"])
    return Clock(checkpoint["elapsed_s"], checkpoint["steps"])


def _go_back(
    task: Task, optimiser: torch.optim.Optimizer, clock: Clock, workspace: Workspace
) -> None:
    """Take what was last on disk; the time is spent, and the next batches are others.

    Before anything is on disk, the step is left out.
    """
    clock.diverged += 1
    if clock.diverged > _MAX_DIVERGED:
        raise TrainingError(
            f"{task.name}: gradients are not finite at step {clock.steps}, time {clock.diverged}; "
            "take another --seed"
        )
    was = _read(task, optimiser, workspace)
    back_to = "left out" if was is None else f"back to step {was.steps}"
    _log.warning("%s: gradient not finite at step %d; %s", task.name, clock.steps, back_to)


def _agree(elapsed_s: float, is_over: bool, world: World) -> tuple[float, bool]:
    """All processes follow the first one's clock, so that none waits for another for ever."""
    if world.size == 1:
        return elapsed_s, is_over
    message = torch.tensor([elapsed_s, float(is_over)], dtype=torch.float64)
    dist.broadcast(message, 0)
    return float(message[0]), bool(message[1])


def _groups(task: Task) -> list[dict[str, Any]]:
    """Parameters, and the share of the rate at which they learn."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in task.module.named_parameters():
        is_gentle = task.gentle is not None and name.startswith(task.gentle)
        groups.setdefault(_GENTLE_SHARE if is_gentle else 1.0, []).append(parameter)
    return [{"params": parameters, "share": share} for share, parameters in groups.items()]


def _set_rate(optimiser: torch.optim.Optimizer, rate: float, progress: float) -> None:
    """A short rise, then a cosine down to a fiftieth."""
    share = min(1.0, 0.05 + progress / _WARM_UP)
    share *= max(_LEAST_RATE, 0.5 * (1 + math.cos(math.pi * progress)))
    for group in optimiser.param_groups:
        group["lr"] = rate * share * group["share"]


def _checkpoint(
    task: Task,
    optimiser: torch.optim.Optimizer,
    clock: Clock,
    parts: dict[str, float],
    workspace: Workspace,
) -> None:
    task.module.eval()
    with torch.no_grad():
        figures = task.evaluate()
    task.module.train()
    if not all(math.isfinite(figure) for figure in figures.values()):
        return  # the next gradient will not be finite either
    state: dict[str, Any] = {
        "module": task.module.state_dict(),
        "optimiser": optimiser.state_dict(),
        "elapsed_s": clock.elapsed_s,
        "steps": clock.steps,
    }
    workspace.write_checkpoint(task.name, state)
    point = {"seconds": round(clock.elapsed_s, 1), "steps": clock.steps, **parts, **figures}
    curve = workspace.read_json(f"curves/{task.name}", [])
    curve.append({key: _rounded(value) for key, value in point.items()})
    workspace.write_json(f"curves/{task.name}", curve)


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.4g}")


def _note(parts: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.3g}" for name, value in parts.items())
