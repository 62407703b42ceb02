"""Time, as an argument: code that measures takes a `Clock`, tests hand in their own."""

from __future__ import annotations

import datetime
import time
import zoneinfo
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


class ProcessorClock:
    """The processor's time that this process has taken: what computing costs on a busy machine."""

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return time.process_time_ns() // 1000


class WallClock:
    """What a clock on the wall shows."""

    def __init__(self, timezone: str = "") -> None:
        """Take an IANA name, or the machine's own time zone where there is none.

        Raises:
            ValueError: this machine knows no such time zone.
        """
        try:
            self._zone = zoneinfo.ZoneInfo(timezone) if timezone else None
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(
                f"timezone must be an IANA name such as Europe/Berlin, not {timezone!r}; where "
                "this machine has none at all: pip install tzdata"
            ) from error

    def now(self) -> datetime.datetime:
        """This moment there."""
        return datetime.datetime.now(datetime.UTC).astimezone(self._zone)
