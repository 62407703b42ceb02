"""The five laws of streaming state, for any codec half or decoder.

equivalence  steps give what the whole sequence gives at once
causality    later input never changes earlier output
isolation    rubbish, NaN included, in one slot leaves every other slot bit-identical
freshness    a reset slot equals a new one, in its state and in what it computes
inactive     a slot that does not step keeps every bit

Each check raises AssertionError with the law's name. Nothing here knows what the numbers mean.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor
from voiceagent_codec.streaming import SlotState


@dataclasses.dataclass(frozen=True)
class StreamingSystem:
    """Something that steps.

    Attributes:
        init_state: number of slots -> fresh state.
        step: one input row per slot [B, ...], state, active bool [B] -> outputs [B, ...].
        whole: inputs [B, T, ...] -> outputs [B, T, ...] from a fresh start, all at once.
        tolerance: largest difference between `step` and `whole`.
    """

    init_state: Callable[[int], SlotState]
    step: Callable[[Tensor, SlotState, Tensor], Tensor]
    whole: Callable[[Tensor], Tensor]
    tolerance: float = 0.0


def check_equivalence(system: StreamingSystem, inputs: Tensor) -> None:
    """Inputs [B, T, ...]."""
    stepped = _run(system, inputs)
    difference = (stepped.double() - system.whole(inputs).double()).abs().max().item()
    assert difference <= system.tolerance, f"equivalence: differs by {difference}"


def check_causality(system: StreamingSystem, inputs: Tensor, at: int) -> None:
    """Inputs [B, T, ...]; those from step `at` on are replaced by other steps' inputs."""
    changed = inputs.clone()
    changed[:, at:] = inputs[:, :at].flip(1)[:, : inputs.shape[1] - at]
    before, after = system.whole(inputs), system.whole(changed)
    assert torch.equal(before[:, :at], after[:, :at]), "causality: the past changed"
    assert not torch.equal(before[:, at:], after[:, at:]), "the inputs do not matter at all"


def check_isolation(system: StreamingSystem, inputs: Tensor, victim: int) -> None:
    """Inputs [B, T, ...]; halfway the victim's state is filled with rubbish."""
    clean = _run(system, inputs)
    state = system.init_state(len(inputs))
    half = inputs.shape[1] // 2
    first = _run(system, inputs[:, :half], state)
    spoil(state, victim)
    second = _run(system, inputs[:, half:], state)
    others = [slot for slot in range(len(inputs)) if slot != victim]
    spoiled = torch.cat((first, second), dim=1)
    assert torch.equal(clean[others], spoiled[others]), "isolation: rubbish reached another slot"
    state.reset([victim])
    check_rows_equal(state, system.init_state(len(inputs)), [victim])


def check_freshness(system: StreamingSystem, inputs: Tensor, slot: int) -> None:
    """Inputs [B, T, ...]; a slot is used, reset, and must repeat its first run."""
    state = system.init_state(len(inputs))
    first = _run(system, inputs, state)
    state.reset([slot])
    check_rows_equal(state, system.init_state(len(inputs)), [slot])
    again = _run(system, inputs, state)
    assert torch.equal(first[slot], again[slot]), "freshness: a reset slot remembers"


def check_inactive(system: StreamingSystem, inputs: Tensor, idle: int) -> None:
    """Inputs [B, T, ...]; one slot sits out the second half, the others must not notice."""
    half = inputs.shape[1] // 2
    clean = _run(system, inputs)
    state = system.init_state(len(inputs))
    _run(system, inputs[:, :half], state)
    kept = [tensor[idle].clone() for tensor, _ in state.tensors()]
    active = torch.ones(len(inputs), dtype=torch.bool)
    active[idle] = False
    others = active.nonzero()[:, 0]
    for t in range(half, inputs.shape[1]):
        output = system.step(inputs[:, t], state, active)
        assert torch.equal(output[others], clean[others, t]), "inactive: the others noticed"
    for before, (tensor, _) in zip(kept, state.tensors(), strict=True):
        assert torch.equal(before, tensor[idle]), "inactive: an idle slot changed"


def spoil(state: SlotState, slot: int) -> None:
    """Fill a slot with NaN, and its integers with a value that any position may have."""
    for tensor, _ in state.tensors():
        tensor[slot] = float("nan") if tensor.is_floating_point() else 1


def check_rows_equal(state: SlotState, other: SlotState, slots: list[int]) -> None:
    """Two states hold the same bits in these slots."""
    for (mine, _), (theirs, _) in zip(state.tensors(), other.tensors(), strict=True):
        assert torch.equal(mine[slots], theirs[slots]), "freshness: state differs from a new one"


def _run(system: StreamingSystem, inputs: Tensor, state: SlotState | None = None) -> Tensor:
    if state is None:
        state = system.init_state(len(inputs))
    active = torch.ones(len(inputs), dtype=torch.bool)
    steps = range(inputs.shape[1])
    return torch.stack([system.step(inputs[:, t], state, active) for t in steps], dim=1)
