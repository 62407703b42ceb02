"""Streaming state: tensors whose first axis is the slot, written in place.

A state class is a dataclass that derives from `SlotState`; its fields are tensors [B, ...], other
states, or lists of states. Weights never live here, and every field is per slot, so that one slot
can be reset, held still or filled with rubbish without another noticing. Stands below every layer
of the codec and of `voiceagent.model`. What must be called next: the owner's `*_step`, with a batch
of exactly `num_slots` rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from voiceagent_codec.errors import SlotError


def fresh(value: float) -> dict[str, float]:
    """Metadata of a tensor field: what a new or reset slot holds there (0 without it)."""
    return {"fresh": value}


def places(axis: int) -> dict[str, int]:
    """Metadata of a tensor field: the axis along which one step after the other fills a place."""
    return {"places": axis}


@dataclasses.dataclass
class SlotState:
    """Base of every streaming state; see the module's docstring."""

    @property
    def num_slots(self) -> int:
        """Rows of the batch this state belongs to."""
        return next(self.tensors())[0].shape[0]

    def tensors(self) -> Iterator[tuple[Tensor, float]]:
        """Every tensor below this state with its fresh value, in field order."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                yield value, field.metadata.get("fresh", 0)
            else:
                for child in value if isinstance(value, list) else [value]:
                    yield from child.tensors()

    def reset(self, slots: Sequence[int]) -> None:
        """Make these slots equal to new ones; the others keep every bit.

        Raises:
            SlotError: an index is outside 0 .. num_slots - 1; nothing has been reset.
        """
        self.check_slots(slots)
        if not len(slots):
            return
        rows = torch.as_tensor(list(slots))
        for tensor, value in self.tensors():
            tensor[rows.to(tensor.device)] = value

    def prefix(self, num_slots: int) -> Self:
        """The first slots as a state of their own that shares this one's storage.

        Lets a step compute a small batch while few slots are in use, without copying.
        """
        if not 1 <= num_slots <= self.num_slots:
            raise SlotError(f"a prefix of {num_slots} slots of a state of {self.num_slots}")
        return self._map(lambda tensor: tensor[:num_slots])

    def alone(self, slot: int) -> Self:
        """One slot as a state of its own that shares this one's storage: steps cost one row."""
        self.check_slots([slot])
        return self._map(lambda tensor: tensor[slot : slot + 1])

    def snapshot(self, slot: int, steps: int) -> Self:
        """A copy of one slot that has taken so many steps, as short as they are.

        Args:
            slot: which.
            steps: taken since it was fresh; no ring may have come round.
        """
        return self.alone(slot)._shortened(steps)._map(torch.clone)

    def restore(self, slot: int, snapshot: Self) -> None:
        """Make a slot equal, bit for bit, to the one that a `snapshot` was taken of."""
        self.reset([slot])
        mine = (tensor for tensor, _ in self.alone(slot).tensors())
        for tensor, (kept, _) in zip(mine, snapshot.tensors(), strict=True):
            tensor[tuple(map(slice, kept.shape))] = kept

    def num_bytes(self) -> int:
        """Memory of all slots together."""
        return sum(tensor.nbytes for tensor, _ in self.tensors())

    def check_batch(self, rows: int, active: Tensor) -> None:
        """Raise SlotError unless a batch and its mask fit this state."""
        if rows != self.num_slots or active.shape != (rows,) or active.dtype != torch.bool:
            raise SlotError(
                f"a batch of {rows} rows with active mask {active.dtype} {tuple(active.shape)} "
                f"on a state of {self.num_slots} slots"
            )

    def check_slots(self, slots: Sequence[int]) -> None:
        """Raise SlotError unless every index names one of this state's slots."""
        for slot in slots:
            if isinstance(slot, bool) or not 0 <= slot < self.num_slots:
                raise SlotError(f"slot {slot} of a state of {self.num_slots} slots")

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return self._map_fields(lambda tensor, metadata: function(tensor))

    def _shortened(self, steps: int) -> Self:
        """Only the places that so many steps fill."""

        def shorten(tensor: Tensor, metadata: Mapping[Any, Any]) -> Tensor:
            axis = metadata.get("places")
            if axis is None:
                return tensor
            if steps > tensor.shape[axis]:
                raise SlotError(f"a snapshot of {steps} steps of a ring of {tensor.shape[axis]}")
            return tensor.narrow(axis, 0, steps)

        return self._map_fields(shorten)

    def _map_fields(self, function: Callable[[Tensor, Mapping[Any, Any]], Tensor]) -> Self:
        """Every tensor below this state put through a function of it and its metadata."""
        changed: dict[str, object] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                changed[field.name] = function(value, field.metadata)
            elif isinstance(value, list):
                changed[field.name] = [child._map_fields(function) for child in value]
            else:
                changed[field.name] = value._map_fields(function)
        return dataclasses.replace(self, **changed)


def write(old: Tensor, new: Tensor, active: Tensor | None) -> None:
    """Store `new` over `old` in place where the slot is active (None: everywhere).

    Args:
        old: [B, ...], a field of a state.
        new: the same shape and dtype.
        active: bool [B] or None.
    """
    if active is not None:
        new = torch.where(active.view(-1, *[1] * (new.dim() - 1)), new, old)
    old.copy_(new)


def mask_or_none(active: Tensor) -> Tensor | None:
    """Drop a mask that masks nothing, where looking at it costs no device synchronisation."""
    return None if active.device.type == "cpu" and bool(active.all()) else active
