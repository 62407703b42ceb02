"""The axes of Full-Duplex-Bench for one conversation, live or prepared, as counts with intervals.

`measure` finds what happened (`events` has the definitions) and adds the figures of the whole call;
everything else is read off that. The four axes of v1: pauses held, user's floor kept with the
backchannels made in it, turns taken with their latency, interruptions honoured. The table of v1.5:
kind of overlap x outcome. Whether the labels under it were estimated or annotated stays with it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from voiceagent.errors import RecordError
from voiceagent.records.activity import Span, join, overlap_ms, total_ms
from voiceagent.records.conversation import (
    ADDRESSED_KINDS,
    ESTIMATED,
    OVERLAP_KINDS,
    Conversation,
)
from voiceagent.records.events import OVERLAP_OUTCOMES, STOP_WITHIN_MS, Event, find_events
from voiceagent.records.figures import Rate, human_distance_ms, percentile

#: A frame whose answer comes later after its completion than this missed its deadline.
DEADLINE_US = 80_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """What `measure` found. Rates, latencies and the overlap table are made of `events`.

    Attributes:
        labels: "estimated" or "annotated".
        events: by start; see `events.Event`.
        user_ms: how long the user spoke, backchannels too, but not to others.
        agent_ms: how long the agent spoke.
        overlap_ms: time in which both spoke.
        longest_silence_ms: of both, between the first and the last sound.
        longest_monologue_ms: the agent's longest stretch.
        deadline_misses: steps answered too late; `DEADLINE_US`.
        concealed_ms: sound lost on the way and made up or left out.
    """

    labels: str
    events: tuple[Event, ...] = ()
    user_ms: int = 0
    agent_ms: int = 0
    overlap_ms: int = 0
    longest_silence_ms: int = 0
    longest_monologue_ms: int = 0
    deadline_misses: int = 0
    concealed_ms: int = 0

    def of_kind(self, *kinds: str) -> tuple[Event, ...]:
        """Events of these kinds, by start."""
        return tuple(event for event in self.events if event.kind in kinds)

    @property
    def pauses_held(self) -> Rate:
        """Pause handling: pauses within turns that the agent did not take. FDB's TOR is 1 - it."""
        return _rate(self.of_kind("pause"), "held")

    @property
    def turns_taken(self) -> Rate:
        """Smooth turn-taking: turns that the agent answered at their end, before the next."""
        return _rate(self.of_kind("turn"), "taken")

    @property
    def floor_kept(self) -> Rate:
        """Backchannel: turns in which the agent made nothing longer than a backchannel."""
        return _rate(self.of_kind("floor"), "kept")

    @property
    def interruptions_honoured(self) -> Rate:
        """User interruption: the agent stopped within a second and then responded."""
        found = [event for event in self.of_kind("interruption") if event.stop_ms is not None]
        honoured = [e for e in found if e.outcome == "respond" and e.stop_ms <= STOP_WITHIN_MS]  # type: ignore[operator]
        return Rate(len(honoured), len(found))

    @property
    def num_backchannels(self) -> int:
        """Backchannels of the agent."""
        return len(self.of_kind("backchannel"))

    @property
    def backchannels_per_min(self) -> float | None:
        """Per minute of the user's speech; None where there is none."""
        return round(self.num_backchannels * 60_000 / self.user_ms, 2) if self.user_ms else None

    @property
    def latencies_ms(self) -> tuple[int, ...]:
        """Turn latency of every taken turn; an answer that begins early has none: 0."""
        return tuple(max(0, e.offset_ms) for e in self.of_kind("turn") if e.offset_ms is not None)

    @property
    def offsets_ms(self) -> tuple[int, ...]:
        """Floor-transfer offsets from user to agent, of turns and interruptions; below 0: early."""
        found = self.of_kind("turn", "interruption")
        return tuple(event.offset_ms for event in found if event.offset_ms is not None)

    @property
    def stops_ms(self) -> tuple[int, ...]:
        """t_stop of every interruption, honoured or not."""
        return tuple(e.stop_ms for e in self.of_kind("interruption") if e.stop_ms is not None)

    @property
    def recoveries_ms(self) -> tuple[int, ...]:
        """t_resp of every interruption that got a response."""
        return tuple(e.offset_ms for e in self.of_kind("interruption") if e.offset_ms is not None)

    @property
    def num_stuck(self) -> int:
        """Finished turns after which nobody spoke for more than four seconds."""
        return len(self.of_kind("stuck"))

    @property
    def talk_share(self) -> float | None:
        """The agent's part of all speech, 0 .. 1; None where nobody spoke."""
        total = self.user_ms + self.agent_ms
        return round(self.agent_ms / total, 3) if total else None

    def overlaps(self) -> dict[str, dict[str, int]]:
        """Kind of overlap -> outcome -> how often, "not_exercised" too."""
        counts = Counter((event.kind, event.outcome) for event in self.events)
        outcomes = (*OVERLAP_OUTCOMES, "not_exercised")
        return {kind: {o: counts[kind, o] for o in outcomes} for kind in OVERLAP_KINDS}

    def brief(self) -> dict[str, Any]:
        """What is worth a glance while the call goes on: the four axes as counts, and the times."""
        rates = ("pauses_held", "floor_kept", "turns_taken", "interruptions_honoured")
        times = {"turn_latency_ms": self.latencies_ms, "stop_ms": self.stops_ms}
        return {
            "labels": self.labels,
            **{name: dataclasses.asdict(getattr(self, name)) for name in rates},
            "backchannels": self.num_backchannels,
            **{
                name: {"last": values[-1] if values else None, "p50": percentile(values, 50)}
                for name, values in times.items()
            },
        }

    def to_json(self) -> dict[str, Any]:
        """As it stands in `session.json`: the figures for whoever reads it, then the events."""
        return {
            "labels": self.labels,
            "pauses_held": self.pauses_held.to_json(),
            "turns_taken": self.turns_taken.to_json(),
            "turn_latency_ms": _spread(self.latencies_ms),
            "floor_kept": self.floor_kept.to_json(),
            "backchannels": self.num_backchannels,
            "backchannels_per_min": self.backchannels_per_min,
            "interruptions_honoured": self.interruptions_honoured.to_json(),
            "stop_ms": _spread(self.stops_ms),
            "recovery_ms": _spread(self.recoveries_ms),
            "overlaps": self.overlaps(),
            "offsets_ms": list(self.offsets_ms),
            "human_distance_ms": human_distance_ms(self.offsets_ms),
            "talk_share": self.talk_share,
            "stuck": self.num_stuck,
            **{name: getattr(self, name) for name in _SCALARS},
            "events": [_event_json(event) for event in self.events],
        }

    @classmethod
    def from_json(cls, values: Any) -> Axes:
        """Read what `to_json` gave; the derived figures are made anew.

        Raises:
            RecordError: it does not fit.
        """
        try:
            events = tuple(Event(**event) for event in values["events"])
            scalars = {name: values[name] for name in _SCALARS}
            return cls(labels=values["labels"], events=events, **scalars)
        except (KeyError, TypeError) as error:
            raise RecordError(f"axes do not fit the schema ({error})") from error


_SCALARS = tuple(
    field.name for field in dataclasses.fields(Axes) if field.name not in ("labels", "events")
)
EMPTY = Axes(labels=ESTIMATED)


def measure(conversation: Conversation, *, deadline_misses: int = 0, concealed_ms: int = 0) -> Axes:
    """The axes of a conversation.

    Args:
        conversation: who spoke when, with labels.
        deadline_misses: as counted by whoever ran the steps.
        concealed_ms: as counted by the transport.
    """
    kinds = (*ADDRESSED_KINDS, "user_backchannel")
    user = [part for speech in conversation.user if speech.kind in kinds for part in speech.parts]
    others = [part for speech in conversation.user for part in speech.parts]
    agent = [speech.span for speech in conversation.agent]
    return Axes(
        labels=conversation.labels,
        events=tuple(find_events(conversation)),
        user_ms=total_ms(user),
        agent_ms=total_ms(agent),
        overlap_ms=overlap_ms(user, agent),
        longest_silence_ms=_longest_gap_ms([*others, *agent]),
        longest_monologue_ms=max((span.duration_ms for span in agent), default=0),
        deadline_misses=deadline_misses,
        concealed_ms=concealed_ms,
    )


def _longest_gap_ms(sounds: Sequence[Span]) -> int:
    joined = join(sounds, 0)
    return max((b.start_ms - a.end_ms for a, b in itertools.pairwise(joined)), default=0)


def _rate(events: Sequence[Event], outcome: str) -> Rate:
    return Rate(sum(event.outcome == outcome for event in events), len(events))


def _spread(values: Sequence[int]) -> dict[str, int | None]:
    return {
        "count": len(values),
        "p50": percentile(values, 50),
        "p95": percentile(values, 95),
    }


def _event_json(event: Event) -> dict[str, Any]:
    return {k: v for k, v in dataclasses.asdict(event).items() if v is not None}
