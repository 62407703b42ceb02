"""When a command must stop, whatever the stage: long runs are made in pieces of minutes."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time of `time.monotonic`; None never comes."""

    at_s: float | None = None

    def is_over(self) -> bool:
        """Whether it has come."""
        return self.at_s is not None and time.monotonic() >= self.at_s


def deadline_in(seconds: float | None) -> Deadline:
    """Return the deadline that many seconds from now."""
    return Deadline(None if seconds is None else time.monotonic() + seconds)
