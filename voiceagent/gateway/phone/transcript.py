"""Words of both sides, gathered into the segments that LiveKit's text streams carry.

A segment ends where its side says no word for a while; the other side's words do not end it, since
both may speak at once. Pure: no room, no clock.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

Side: TypeAlias = Literal["user", "agent"]
#: A word in a sentence comes sooner after the one before it.
PAUSE_US = 1_200_000

#: LiveKit's names, as its clients read them.
TOPIC = "lk.transcription"
SEGMENT, FINAL, TRACK = "lk.segment_id", "lk.transcription_final", "lk.transcribed_track_id"


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """News of a segment.

    Attributes:
        side: whose.
        segment: its name, one of its kind in the call.
        text: all of it so far.
        added: what is new of it; empty where it only ends.
        is_first: nothing of it was told before.
        is_final: nothing will be added.
    """

    side: Side
    segment: str
    text: str
    added: str
    is_first: bool = False
    is_final: bool = False


class Transcript:
    """Next: `add` words as they come, `settle` now and then, `finish` in the end."""

    def __init__(self, name: str) -> None:
        """Segments are called after the call, so that they differ between calls."""
        self._name = name
        self._count = 0
        self._open: dict[Side, tuple[Piece, int]] = {}

    def add(self, side: Side, word: str, now_us: int) -> list[Piece]:
        """A word, with its leading space where it has one: what is to be told."""
        told = self.settle(now_us)
        if side in self._open:
            before = self._open[side][0]
            piece = Piece(side, before.segment, before.text + word, word)
        else:
            self._count += 1
            text = word.lstrip()
            piece = Piece(side, f"{self._name}-{self._count}", text, text, is_first=True)
        self._open[side] = (piece, now_us)
        return [*told, piece]

    def whole(self, side: Side, text: str) -> list[Piece]:
        """A segment of its own that is said at once, empty for no text: what is to be told."""
        if not text:
            return []
        ended = [self._end(side)] if side in self._open else []
        self._count += 1
        piece = Piece(side, f"{self._name}-{self._count}", text, text, is_first=True)
        return [*ended, piece, Piece(side, piece.segment, text, "", is_final=True)]

    def settle(self, now_us: int) -> list[Piece]:
        """The ends of segments that are over by now."""
        over = [side for side, (_, at_us) in self._open.items() if now_us - at_us > PAUSE_US]
        return [self._end(side) for side in over]

    def finish(self) -> list[Piece]:
        """The ends of all segments."""
        return [self._end(side) for side in list(self._open)]

    def _end(self, side: Side) -> Piece:
        piece, _ = self._open.pop(side)
        return Piece(side, piece.segment, piece.text, "", is_final=True)
