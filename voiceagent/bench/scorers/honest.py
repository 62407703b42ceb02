"""What the official numbers hide, from the sound alone: columns beside them, not in their place.

Takeover counts words anywhere in a file, so a greeting is a takeover and talking straight through
an interruption is a perfect score with a latency of nought. These say so, recording by recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from voiceagent.bench.scorers.takeover import BACKCHANNEL_S, is_takeover_by_sound
from voiceagent.bench.scorers.timing import AGENT_JOIN_S, Stretch, join

#: An agent that starts so shortly before a turn ends answers it; people do.
EARLY_S = 0.4
#: Sound up to here before the end of a recording is cut off by it.
_CUT_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Honest:
    """Of one recording; None where the task has nothing of the kind.

    Attributes:
        takeover_by_sound: the takeover rule on the agent's sound, without a recogniser.
        spoke_before_turn_end: more than a backchannel began before the user was done.
        not_exercised: the agent was silent when the overlap began, so there was nothing to stop.
        talked_through: the agent was still in the same stretch when the overlap had ended.
        right_censored: the agent still spoke when the recording ended.
    """

    takeover_by_sound: bool
    spoke_before_turn_end: bool | None = None
    not_exercised: bool | None = None
    talked_through: bool | None = None
    right_censored: bool = False

    def to_json(self) -> dict[str, Any]:
        """A part of the sample's row."""
        return asdict(self)


def look(
    agent: Sequence[Stretch],
    duration_s: float,
    *,
    turn_end_s: float | None = None,
    overlap: Stretch | None = None,
) -> Honest:
    """Look at one recording.

    Args:
        agent: stretches from the detector.
        duration_s: of the recording.
        turn_end_s: when the user was done, where the agent should have waited for that.
        overlap: from its onset to its end.
    """
    stretches = join(agent, AGENT_JOIN_S)
    return Honest(
        takeover_by_sound=is_takeover_by_sound(stretches),
        spoke_before_turn_end=None if turn_end_s is None else _is_early(stretches, turn_end_s),
        not_exercised=None if overlap is None else _at(stretches, overlap[0]) is None,
        talked_through=None if overlap is None else _is_through(stretches, overlap),
        right_censored=bool(stretches) and stretches[-1][1] >= duration_s - _CUT_S,
    )


def _is_early(stretches: Sequence[Stretch], turn_end_s: float) -> bool:
    return any(
        start_s < turn_end_s - EARLY_S and end_s - start_s >= BACKCHANNEL_S
        for start_s, end_s in stretches
    )


def _is_through(stretches: Sequence[Stretch], overlap: Stretch) -> bool:
    spoken_over = _at(stretches, overlap[0])
    return spoken_over is not None and spoken_over[1] >= overlap[1]


def _at(stretches: Sequence[Stretch], time_s: float) -> Stretch | None:
    return next((pair for pair in stretches if pair[0] < time_s < pair[1]), None)
