"""A line on which nothing comes in: noticed, spoken of, and given up in the end.

A muted telephone and a call that reaches one way only look the same from here: digital silence,
below what any open microphone gives. While the agent speaks nobody has to make a sound. Pure.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["fine", "warn", "end"]


class SilenceWatch:
    """Next: `restart` when the caller can be heard; `spoken` while the agent is; `judge`."""

    def __init__(self, patience_us: int) -> None:
        #: Whether the caller has been told, and has not been heard since.
        self.is_warned = False
        self._patience_us = patience_us
        self._since_us = 0

    def restart(self, now_us: int) -> None:
        """The caller begins to be listened to."""
        self.is_warned, self._since_us = False, now_us

    def spoken(self, now_us: int) -> None:
        """The agent speaks, or an announcement plays."""
        self._since_us = now_us

    def judge(self, heard_us: int | None, now_us: int) -> Verdict:
        """What is to be done; "warn" and "end" once each.

        Args:
            heard_us: when anything was heard of the caller last.
            now_us: the present.
        """
        if heard_us is not None and heard_us > self._since_us:
            self.is_warned, self._since_us = False, heard_us
        if now_us - self._since_us <= self._patience_us:
            return "fine"
        if self.is_warned:
            return "end"
        self.is_warned, self._since_us = True, now_us
        return "warn"
