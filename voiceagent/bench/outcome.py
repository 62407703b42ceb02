"""Whether a recording went as its task wants, by timing alone: what is said plays no part."""

from __future__ import annotations

from voiceagent.bench.suite import Sample
from voiceagent.records.axes import Axes
from voiceagent.records.conversation import Conversation
from voiceagent.records.events import BACKCHANNEL_MS, WANTED


def is_good(sample: Sample, talk: Conversation, axes: Axes) -> bool | None:
    """Whether the outcome is what the task wants; None where nothing overlapped after all.

    A pause held and the turn then taken, a turn taken, both without cutting in; the user's floor
    kept; an interruption honoured within a second; an overlap spoken through that is none of the
    agent's business; nothing said into noise.
    """
    task, is_kept = sample.task, axes.floor_kept.count == axes.floor_kept.of
    if "overlap" in task.axes or "interruption" in task.axes:
        return _is_overlap_good(task.overlap_kind, axes)
    if "silence" in task.axes:
        return not talk.agent
    if "backchannel" in task.axes:
        return is_kept and not _talks_into(talk)
    is_taken = axes.turns_taken.count == axes.turns_taken.of > 0
    return is_taken and is_kept and axes.pauses_held.count == axes.pauses_held.of


def _talks_into(talk: Conversation) -> bool:
    """Whether the agent is talking when a turn begins, and goes on: it never got the floor."""
    turns = [speech for speech in talk.user if speech.kind == "turn"]
    return any(
        agent.span.start_ms < turn.start_ms < agent.span.end_ms - BACKCHANNEL_MS
        for turn in turns
        for agent in talk.agent
    )


def _is_overlap_good(kind: str, axes: Axes) -> bool | None:
    if kind == "interruption":
        honoured = axes.interruptions_honoured
        return honoured.count == 1 if honoured.of else None
    found = axes.of_kind(kind)
    if not found or found[0].outcome == "not_exercised":
        return None
    return found[0].outcome == WANTED[kind]
