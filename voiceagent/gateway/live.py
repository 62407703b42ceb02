"""How conversations go while they go on: measured off the media loop, one at a time, with pauses.

Measuring costs more the longer a call is, and the interpreter's lock is shared with the media:
all calls together get a twentieth of a core, and are told less often when that is not enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voiceagent.clock import Clock
from voiceagent.records.axes import Axes

#: A measurement that took a second is followed by so many without one.
REST = 19


class LiveAxes:
    """One for all conversations of a gateway. Next: `measure`, from any number of tasks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._rest_until_us = 0

    @property
    def rest_s(self) -> float:
        """Until the next measurement begins."""
        return max(0, self._rest_until_us - self._clock.now_us()) / 1e6

    async def measure(self, begin: Callable[[], Callable[[], Axes]]) -> Axes:
        """Wait for its turn, then measure in a thread.

        Args:
            begin: takes the conversation as it is then, quickly; what it returns measures it.
        """
        async with self._turn:
            await asyncio.sleep(self.rest_s)
            begin_us = self._clock.now_us()
            axes = await asyncio.to_thread(begin())
            end_us = self._clock.now_us()
            self._rest_until_us = end_us + REST * (end_us - begin_us)
        return axes
