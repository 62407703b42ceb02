"""How soon an agent stops for an overlap, and how soon it speaks after it.

Two views of the same stretches. The official lists hold every overlap and every reply of a
recording, the answer to the first query too, and do not say which to average; the event's own times
look only at the annotated overlap, which is what the paper defines.

Source: Full-Duplex-Bench v1.5 (arXiv 2507.23159), timing script and definitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Stretch = tuple[float, float]

#: Silences up to this long lie within a stretch.
USER_JOIN_S, AGENT_JOIN_S = 0.6, 0.5


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one recording, in seconds.

    Attributes:
        overlaps: every stop, as official.
        replies: every response, as official.
        stop_s: from the overlap's onset to the agent's silence; None where it did not speak then.
        respond_s: from the overlap's end to the agent's next start; None where there is none.
    """

    overlaps: tuple[Stretch, ...]
    replies: tuple[Stretch, ...]
    stop_s: float | None
    respond_s: float | None

    def to_json(self) -> dict[str, Any]:
        """A part of the sample's row."""
        return {
            "stop_s": self.stop_s,
            "respond_s": self.respond_s,
            "stops_all": [list(pair) for pair in self.overlaps],
            "responses_all": [list(pair) for pair in self.replies],
        }


def measure(user: Sequence[Stretch], agent: Sequence[Stretch], overlap: Stretch | None) -> Timing:
    """Time one recording.

    Args:
        user: stretches from the detector, unjoined, in order.
        agent: likewise.
        overlap: the annotated one, from its onset to its end; None where there is none.
    """
    users, agents = join(user, USER_JOIN_S), join(agent, AGENT_JOIN_S)
    return Timing(
        overlaps=all_overlaps(users, agents),
        replies=all_replies(users, agents),
        stop_s=None if overlap is None else stop_s(agents, overlap[0]),
        respond_s=None if overlap is None else respond_s(agents, overlap[1]),
    )


def join(stretches: Sequence[Stretch], max_gap_s: float) -> tuple[Stretch, ...]:
    """Make one of stretches that no more than a gap lies between."""
    found: list[Stretch] = []
    for start_s, end_s in stretches:
        if found and start_s - found[-1][1] <= max_gap_s:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        else:
            found.append((start_s, end_s))
    return tuple(found)


def all_overlaps(users: Sequence[Stretch], agents: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """Every time in which both speak; of those that end in the same millisecond the shortest."""
    by_end: dict[int, Stretch] = {}
    for user in users:
        for agent in agents:
            both = (max(user[0], agent[0]), min(user[1], agent[1]))
            key = round(both[1] * 1000)
            if both[0] < both[1] and (key not in by_end or both[0] > by_end[key][0]):
                by_end[key] = both
    return _rounded(by_end.values())


def all_replies(users: Sequence[Stretch], agents: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """From each end of the user to the agent's next start; one for each start, from the latest."""
    by_start: dict[float, Stretch] = {}
    for _, end_s in users:
        start_s = next((start_s for start_s, _ in agents if start_s > end_s), None)
        if start_s is not None and (start_s not in by_start or end_s > by_start[start_s][0]):
            by_start[start_s] = (end_s, start_s)
    return _rounded(by_start.values())


def stop_s(agents: Sequence[Stretch], onset_s: float) -> float | None:
    """From an overlap's onset to the end of the agent's stretch that it falls into."""
    return next((end - onset_s for start, end in agents if start < onset_s < end), None)


def respond_s(agents: Sequence[Stretch], end_s: float) -> float | None:
    """From an overlap's end to the agent's next start."""
    return next((start - end_s for start, _ in agents if start > end_s), None)


def _rounded(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    return tuple(sorted((round(a, 3), round(b, 3)) for a, b in stretches))
