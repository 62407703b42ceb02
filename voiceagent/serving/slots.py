"""The slot table: which rows of the batch are taken, and by which generation of session.

A slot's generation grows each time it is given out, so a handle kept too long can be told from the
present owner's. Free slots are given out lowest first: the step then computes a small batch.
"""

from __future__ import annotations

import dataclasses
import heapq

from voiceagent.errors import SessionClosed


@dataclasses.dataclass(frozen=True, slots=True)
class SlotHandle:
    """The right to one slot, until it is released."""

    index: int
    generation: int


class SlotTable:
    """See the module's docstring."""

    def __init__(self, num_slots: int) -> None:
        self._generations = [0] * num_slots
        self._free = list(range(num_slots))

    @property
    def num_slots(self) -> int:
        """All slots, free or taken."""
        return len(self._generations)

    @property
    def num_free(self) -> int:
        """Slots that can be acquired now."""
        return len(self._free)

    def acquire(self) -> SlotHandle | None:
        """Take the lowest free slot, or None when all are taken."""
        if not self._free:
            return None
        index = heapq.heappop(self._free)
        self._generations[index] += 1
        return SlotHandle(index, self._generations[index])

    def release(self, handle: SlotHandle) -> None:
        """Give a slot back.

        Raises:
            SessionClosed: it was given back before.
        """
        self.check(handle)
        self._generations[handle.index] += 1
        heapq.heappush(self._free, handle.index)

    def check(self, handle: SlotHandle) -> None:
        """Raise SessionClosed unless this handle still owns its slot."""
        if self._generations[handle.index] != handle.generation:
            raise SessionClosed(
                f"slot {handle.index} is at generation {self._generations[handle.index]}, "
                f"this session was generation {handle.generation}"
            )
