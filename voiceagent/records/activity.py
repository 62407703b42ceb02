"""Who spoke when, estimated frame by frame from levels, and the turns, gaps and overlaps of it.

Not a voice activity detector: on a noisy line the user's level alone says little, so these figures
are estimates and are called so wherever they are shown. Pure functions over lists.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

FRAME_MS = 80
#: A frame at least this loud counts as speech.
SPEECH_DBFS = -45.0
#: Silences up to this long lie within a turn.
PAUSE_FRAMES = 6


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of speech, in frames; `end` is the first frame after it."""

    start: int
    end: int


def is_speech(dbfs: float) -> bool:
    """Whether a frame of this level counts as speech."""
    return dbfs >= SPEECH_DBFS


def turns(speaks: Sequence[bool]) -> list[Turn]:
    """Join frames of speech, and pauses of up to PAUSE_FRAMES between them, into turns."""
    found: list[Turn] = []
    for index, spoke in enumerate(speaks):
        if not spoke:
            continue
        if found and index - found[-1].end <= PAUSE_FRAMES:
            found[-1] = Turn(found[-1].start, index + 1)
        else:
            found.append(Turn(index, index + 1))
    return found


def gaps_ms(user: Sequence[Turn], agent: Sequence[Turn]) -> tuple[int, ...]:
    """Silence from the end of a user turn to the agent's next, where the user stays silent."""
    found = []
    for index, turn in enumerate(user):
        following = user[index + 1].start if index + 1 < len(user) else None
        answer = next((a for a in agent if a.start >= turn.end), None)
        if answer and (following is None or answer.start < following):
            found.append((answer.start - turn.end) * FRAME_MS)
    return tuple(found)


def overlap_ms(user: Sequence[bool], agent: Sequence[bool]) -> int:
    """Time in which both speak."""
    return FRAME_MS * sum(u and a for u, a in zip(user, agent, strict=True))


def talk_share(user: Sequence[bool], agent: Sequence[bool]) -> float | None:
    """The agent's part of all speech, or None where nobody spoke."""
    total = sum(user) + sum(agent)
    return round(sum(agent) / total, 3) if total else None
