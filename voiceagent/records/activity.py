"""Who makes sound when: frames of speech, judged by level, as spans of time.

Not a voice activity detector: on a noisy line the user's level alone says little, so what is made
of these spans is an estimate and is called so wherever it is shown. Pure functions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

FRAME_MS = 80
#: A frame at least this loud counts as speech.
SPEECH_DBFS = -45.0


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of time, in milliseconds from the session's start; `end_ms` is not part of it."""

    start_ms: int
    end_ms: int

    @property
    def duration_ms(self) -> int:
        """Its length."""
        return self.end_ms - self.start_ms


def is_speech(dbfs: float) -> bool:
    """Whether a frame of this level counts as speech."""
    return dbfs >= SPEECH_DBFS


def spans(speaks: Iterable[int], shift_ms: int = 0) -> list[Span]:
    """Runs of frames in which somebody speaks.

    Args:
        speaks: a frame each; true where they do.
        shift_ms: added to every time.
    """
    found: list[Span] = []
    for index, spoke in enumerate(speaks):
        start_ms = index * FRAME_MS + shift_ms
        if not spoke:
            continue
        if found and found[-1].end_ms == start_ms:
            found[-1] = Span(found[-1].start_ms, start_ms + FRAME_MS)
        else:
            found.append(Span(start_ms, start_ms + FRAME_MS))
    return found


def join(parts: Sequence[Span], max_gap_ms: int) -> list[Span]:
    """Make one span of those that no more than `max_gap_ms` lies between."""
    found: list[Span] = []
    for part in sorted(parts):
        if found and part.start_ms - found[-1].end_ms <= max_gap_ms:
            found[-1] = Span(found[-1].start_ms, max(found[-1].end_ms, part.end_ms))
        else:
            found.append(part)
    return found


def total_ms(parts: Sequence[Span]) -> int:
    """Time that spans cover, each moment once."""
    return sum(part.duration_ms for part in join(parts, 0))


def overlap_ms(one: Sequence[Span], other: Sequence[Span]) -> int:
    """Time that both cover."""
    return total_ms(one) + total_ms(other) - total_ms([*one, *other])
