"""A recording of the bench as a conversation: the annotation as labels, the agent as it was heard.

So the axes of live calls (`voiceagent.records.axes`) can be measured on it, by the same
definitions. Of our own scenes the script says everything; of others the user's stretches come from
the detector and only the annotated moment is exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from voiceagent.bench.annotation import Annotation, Stretch
from voiceagent.bench.scorers.timing import AGENT_JOIN_S, USER_JOIN_S, join
from voiceagent.bench.suite import Task
from voiceagent.bench.transcript import TimedWord, text_of
from voiceagent.records.activity import Span
from voiceagent.records.conversation import ANNOTATED, AgentSpeech, Conversation, UserSpeech
from voiceagent.records.labels import WORD_LAG_MS
from voiceagent.scenes.scene import Scene

#: The detector may hear the annotated moment's own speech so long before its annotation.
_DETECTOR_EARLY_S = 0.2

#: What the events of a scene are to the axes.
_KINDS = {
    "question": "turn",
    "interruption": "interruption",
    "backchannel": "user_backchannel",
    "side_talk": "talking_to_others",
    "background": "background_speech",
}


def conversation_of(
    task: Task,
    annotation: Annotation,
    user: Sequence[Stretch],
    agent: Sequence[Stretch],
    words: Sequence[TimedWord],
    duration_s: float,
) -> Conversation:
    """Put the two sides together.

    Args:
        task: names the kind of overlap.
        annotation: of the recording.
        user: stretches of the user's channel from the detector, seconds.
        agent: likewise of the agent's.
        words: of the agent; may be empty.
        duration_s: of the recording.
    """
    scene = annotation.scene
    said = scripted(scene) if scene else _annotated(task, annotation, user)
    return Conversation(
        labels=ANNOTATED,
        duration_ms=round(duration_s * 1000),
        user=tuple(sorted(said, key=lambda speech: speech.start_ms)),
        agent=tuple(_agent_speech(join(agent, AGENT_JOIN_S), words)),
    )


def scripted(scene: Scene) -> list[UserSpeech]:
    """What is said on the user's side of a scene of ours, by its script."""
    found, parts = [], []
    for event in scene.events:
        if event.channel == "agent" or event.kind == "noise":
            continue
        parts.append(Span(event.start_ms, event.end_ms))
        if event.kind != "part":
            found.append(UserSpeech(_KINDS[event.kind], tuple(parts)))
            parts = []
    return found


def _annotated(task: Task, annotation: Annotation, user: Sequence[Stretch]) -> list[UserSpeech]:
    overlap = annotation.overlap
    until_s = overlap[0] if overlap else annotation.turn_end_s
    before = [
        pair
        for pair in join(user, USER_JOIN_S)
        if until_s is None or pair[0] < until_s - _DETECTOR_EARLY_S
    ]
    found = []
    if before:
        end_s = before[-1][1] if until_s is None else min(before[-1][1], until_s)
        end_s = annotation.turn_end_s or end_s
        found.append(UserSpeech("turn", _parts(before[0][0], end_s, annotation.pauses)))
    if overlap and task.overlap_kind:
        found.append(UserSpeech(task.overlap_kind, (_span(overlap),)))
    return found


def _parts(start_s: float, end_s: float, pauses: Sequence[Stretch]) -> tuple[Span, ...]:
    """A turn between its pauses."""
    inside = [pair for pair in sorted(pauses) if start_s < pair[0] < pair[1] < end_s]
    edges = [start_s, *itertools.chain.from_iterable(inside), end_s]
    return tuple(_span((a, b)) for a, b in zip(edges[::2], edges[1::2], strict=True))


def _agent_speech(agent: Sequence[Stretch], words: Sequence[TimedWord]) -> list[AgentSpeech]:
    lag_s = WORD_LAG_MS / 1000
    return [
        AgentSpeech(
            _span((start_s, end_s)),
            text_of([word for word in words if start_s - lag_s <= word.start_s < end_s]),
        )
        for start_s, end_s in agent
    ]


def _span(pair: Stretch) -> Span:
    return Span(round(pair[0] * 1000), round(pair[1] * 1000))
