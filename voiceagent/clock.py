"""Time, as an argument: code that measures takes a `Clock`, tests hand in their own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic time."""

    def now_us(self) -> int:
        """Microseconds since some fixed moment."""
        ...


class MonotonicClock:
    """The machine's own monotonic clock."""

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return time.perf_counter_ns() // 1000
