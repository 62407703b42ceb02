"""What other thresholds would have changed in a recorded session: counts, and where paths part.

Pure, over the rows of `trace`. With the recorded thresholds nothing differs. With others, the user
and the model stay as they were recorded: what is counted shows where paths part, not where they
would have led.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.trace import Difference, TurnRow, differences, replay
from voiceagent.turntaking.types import Audio, Decision, Forced, Reason, State

#: State before, state after, and why.
Transition = tuple[State, State, Reason]


@dataclasses.dataclass(frozen=True, slots=True)
class Stretch:
    """Frames in a row that are decided otherwise.

    Attributes:
        first: of them.
        frames: how many.
    """

    first: Difference
    frames: int


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """What the decisions of a session come to.

    Attributes:
        transitions: how often each happened.
        actions: frames in which each was done; "resumed" and the watchdogs' events too.
    """

    transitions: Counter[Transition]
    actions: Counter[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """A session as it was decided, and as it would have been.

    Attributes:
        recorded: counts of the record.
        replayed: counts under the other thresholds.
        differences: every frame that is decided otherwise.
        num_missing: frames that the record has lost, about which nothing is known.
    """

    recorded: Counts
    replayed: Counts
    differences: list[Difference]
    num_missing: int

    def stretches(self) -> list[Stretch]:
        """The differences, those of neighbouring frames together."""
        found: list[Stretch] = []
        for number, one in enumerate(self.differences):
            before = self.differences[number - 1].frame if number else None
            if found and one.frame - 1 == before:
                found[-1] = Stretch(found[-1].first, found[-1].frames + 1)
            else:
                found.append(Stretch(one, 1))
        return found


def compare(trace: Sequence[TurnRow], config: TurnConfig) -> Comparison:
    """Decide a session again.

    Args:
        trace: rows of one session, in order.
        config: the recorded session's thresholds, or others.
    """
    replayed = replay(trace, config)
    pairs = itertools.pairwise(trace)
    return Comparison(
        recorded=_counts(trace, [row.decision for row in trace]),
        replayed=_counts(trace, replayed),
        differences=differences(trace, replayed),
        num_missing=sum(max(0, row.state.frame - one.observation.frame) for one, row in pairs),
    )


def changes(one: Difference) -> dict[str, tuple[object, object]]:
    """The fields of a decision that differ, as recorded and as replayed."""
    pairs = {
        field.name: (getattr(one.recorded, field.name), getattr(one.replayed, field.name))
        for field in dataclasses.fields(Decision)
    }
    return {name: pair for name, pair in pairs.items() if repr(pair[0]) != repr(pair[1])}


def _counts(trace: Sequence[TurnRow], decisions: Sequence[Decision]) -> Counts:
    transitions: Counter[Transition] = Counter()
    actions: Counter[str] = Counter()
    before_frame, before = None, State.START
    for row, decision in zip(trace, decisions, strict=True):
        if row.state.frame != before_frame:
            before = row.state.state  # as `replay` does where rows are missing
        if decision.reason is not Reason.STAY:
            transitions[before, decision.state, decision.reason] += 1
        actions.update(_actions(decision))
        before_frame, before = row.observation.frame, decision.state
    return Counts(transitions, actions)


def _actions(decision: Decision) -> Iterator[str]:
    if decision.pad_bias_nats:
        yield "held back" if decision.pad_bias_nats > 0 else "hurried"
    was_done = {
        _AUDIO.get(decision.audio, ""): decision.audio is not Audio.PASS,
        f"{decision.forced_text} forced": decision.forced_text is not Forced.NONE,
        "gate closed": decision.is_gated,
        "rewound": decision.rewind_frames > 0,
        "flushed": decision.is_flush,
        "resumed": decision.is_resume,
    }
    yield from (name for name, was in was_done.items() if was)
    yield from (str(event) for event in decision.events)


_AUDIO = {Audio.DUCK: "ducked", Audio.FADE: "faded", Audio.MUTE: "muted"}
