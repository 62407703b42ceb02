"""Who is told what happens on a leg; `call` is the one that listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from voiceagent.gateway.phone.leg import Leg


class Listener(Protocol):
    """Who is told what happens on a leg; each returns at once."""

    def on_sound(self, leg: Leg) -> None:
        """The ear has sound where it had none."""
        ...

    def on_key(self, digit: str) -> None:
        """The caller pressed a key."""
        ...

    def on_order(self, topic: str, data: bytes) -> None:
        """The server's API sent data to the room."""
        ...

    def on_left(self, leg: Leg, reason: str) -> None:
        """The caller is gone for good, or the room is."""
        ...

    def on_lost(self, leg: Leg, reason: str) -> None:
        """The way to the caller is broken; it may come back, here or on another leg."""
        ...

    def on_back(self, leg: Leg) -> None:
        """The lost caller is here again."""
        ...
