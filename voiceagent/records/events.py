"""Where in a conversation something happened that an axis counts, and how it went.

The definitions. Full-Duplex-Bench scores one prepared event per recording; a live call has many, so
each is found and judged by itself, from timing alone:

- a *pause* lies between two parts of one turn; the agent *held* or *took* it;
- a *turn* ends; the agent took it, missed it, or had answered too early, within it, and was done;
  the offset is from the turn's end to the agent's start;
- the *floor* is the user's from a turn's start to its end; the agent *kept* out of it or *cut in*.
  Below a second and with at most two words it made a *backchannel*, which is no cutting in;
- an *overlap* is user-side speech that begins while the agent speaks; the agent's first new stretch
  of speech after it says whether it responded, resumed, asked again or fell silent;
- the agent is *stuck* when a finished turn is followed by more than four seconds of nobody.

An agent that starts in a part's last 400 ms counts as answering that part: people do so, three of
four times when they overlap at all.
"""

from __future__ import annotations

import dataclasses
import re

from voiceagent.records.activity import Span
from voiceagent.records.conversation import (
    OVERLAP_KINDS,
    AgentSpeech,
    Conversation,
    UserSpeech,
)

EVENT_KINDS = ("pause", "turn", "floor", "backchannel", *OVERLAP_KINDS, "stuck")
OVERLAP_OUTCOMES = ("respond", "resume", "uncertain", "unknown")
#: What each kind of overlap should come to.
WANTED = dict.fromkeys(OVERLAP_KINDS, "resume") | {"interruption": "respond"}

#: Shorter than this, and with at most so many words, the agent's sound is a backchannel where the
#: user has the floor. Source: Full-Duplex-Bench, its backchannel script.
BACKCHANNEL_MS, BACKCHANNEL_WORDS = 1000, 2
#: So long before a part ends, what the agent begins is an answer to it.
EARLY_MS = 400
#: An agent that speaks this long into an overlap did not stop for it.
STOP_WITHIN_MS = 1000
#: A new stretch of the agent that begins later has nothing to do with the overlap any more.
RESPOND_WITHIN_MS = 4000
#: Longest silence after a finished turn.
STUCK_AFTER_MS = 4000

_ASKS_AGAIN = re.compile(r"\b(repeat|say (that|it) again|pardon|did not (catch|hear))\b")
_NEVER_MS = 1 << 62


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that an axis counts.

    Attributes:
        kind: one of `EVENT_KINDS`.
        outcome: pause "held" | "taken"; turn "taken" | "missed" | "early"; floor "kept" | "cut_in";
            backchannel "made"; an overlap one of `OVERLAP_OUTCOMES`, or "not_exercised" where the
            agent did not speak; stuck "stuck".
        start_ms: of the pause, turn, overlap or silence; of a cut-in, when the agent began.
        end_ms: of the same.
        offset_ms: of a taken turn, and of an interruption that was responded to: from the end of
            the user's speech to the agent's start; negative is overlap.
        stop_ms: of an overlap, from its onset to the last the agent was heard.
    """

    kind: str
    outcome: str
    start_ms: int
    end_ms: int
    offset_ms: int | None = None
    stop_ms: int | None = None


def find_events(conversation: Conversation) -> list[Event]:
    """Everything that counts in a conversation, by start."""
    found: list[Event] = []
    addressed = [s for s in conversation.user if s.is_addressed]
    for index, speech in enumerate(addressed):
        later_ms = addressed[index + 1].start_ms if index + 1 < len(addressed) else _NEVER_MS
        found += _pauses(speech, conversation)
        found += _floor(speech, conversation)
        found += _stuck(speech, conversation)
        if speech.kind == "turn" or _spoken_over(speech, conversation) is None:
            found.append(_turn(speech, later_ms, conversation))
    for speech in conversation.user:
        if speech.kind in OVERLAP_KINDS:
            found += _overlap(speech, conversation)
    return sorted(found, key=lambda event: (event.start_ms, EVENT_KINDS.index(event.kind)))


def is_backchannel(speech: AgentSpeech) -> bool:
    """Whether the agent's sound is too little to take the floor."""
    return speech.span.duration_ms < BACKCHANNEL_MS and speech.num_words <= BACKCHANNEL_WORDS


def _answerable_ms(part: Span) -> int:
    """From when on the agent's start is an answer to a part."""
    return max(part.start_ms, part.end_ms - EARLY_MS)


def _pauses(speech: UserSpeech, conversation: Conversation) -> list[Event]:
    found = []
    for part, following in zip(speech.parts, speech.parts[1:], strict=False):
        taken = any(
            _answerable_ms(part) <= agent.span.start_ms < following.start_ms
            and not is_backchannel(agent)
            for agent in conversation.agent
        )
        outcome = "taken" if taken else "held"
        found.append(
            Event(kind="pause", outcome=outcome, start_ms=part.end_ms, end_ms=following.start_ms)
        )
    return found


def _floor(speech: UserSpeech, conversation: Conversation) -> list[Event]:
    """What the agent did between a turn's start and its end."""
    found = [
        Event(kind="backchannel", outcome="made", start_ms=a.span.start_ms, end_ms=a.span.end_ms)
        for a in _within(speech, conversation)
        if is_backchannel(a)
    ]
    cut_in = _cut_in(speech, conversation)
    outcome, start_ms = ("cut_in", cut_in.span.start_ms) if cut_in else ("kept", speech.start_ms)
    found.append(Event(kind="floor", outcome=outcome, start_ms=start_ms, end_ms=speech.end_ms))
    return found


def _within(speech: UserSpeech, conversation: Conversation) -> list[AgentSpeech]:
    """What the agent begins while a turn goes on."""
    until_ms = _answerable_ms(speech.parts[-1])
    return [a for a in conversation.agent if speech.start_ms <= a.span.start_ms < until_ms]


def _cut_in(speech: UserSpeech, conversation: Conversation) -> AgentSpeech | None:
    return next((a for a in _within(speech, conversation) if not is_backchannel(a)), None)


def _turn(speech: UserSpeech, later_ms: int, conversation: Conversation) -> Event:
    from_ms, offset_ms = _answerable_ms(speech.parts[-1]), None
    answer = _first_from(from_ms, conversation)
    if answer is not None and answer.span.start_ms < later_ms:
        outcome, offset_ms = "taken", answer.span.start_ms - speech.end_ms
    else:
        outcome = "early" if _cut_in(speech, conversation) else "missed"
    return Event(
        kind="turn",
        outcome=outcome,
        start_ms=speech.start_ms,
        end_ms=speech.end_ms,
        offset_ms=offset_ms,
    )


def _overlap(speech: UserSpeech, conversation: Conversation) -> list[Event]:
    """How an overlap went; nothing of an interruption that interrupts nobody: that is a turn."""
    spoken_over = _spoken_over(speech, conversation)
    if spoken_over is None:
        if speech.is_addressed:
            return []
        return [_overlap_event(speech, "not_exercised", None, None)]
    following = _next_after(speech, spoken_over, conversation)
    stop_ms = spoken_over.span.end_ms - speech.start_ms
    outcome = _overlap_outcome(speech, following, stop_ms, conversation)
    return [_overlap_event(speech, outcome, following, stop_ms)]


def _overlap_outcome(
    speech: UserSpeech, following: AgentSpeech | None, stop_ms: int, conversation: Conversation
) -> str:
    if following is None:
        return "resume" if stop_ms > STOP_WITHIN_MS else "unknown"
    begin_ms = following.span.start_ms
    was_resumed = any(speech.start_ms <= t <= begin_ms for t in conversation.resumed_ms)
    if was_resumed or begin_ms < _answerable_ms(speech.parts[-1]):
        return "resume"
    return "uncertain" if _ASKS_AGAIN.search(following.text.lower()) else "respond"


def _overlap_event(
    speech: UserSpeech, outcome: str, following: AgentSpeech | None, stop_ms: int | None
) -> Event:
    is_answered = following is not None and outcome in ("respond", "uncertain")
    return Event(
        kind=speech.kind,
        outcome=outcome,
        start_ms=speech.start_ms,
        end_ms=speech.end_ms,
        offset_ms=following.span.start_ms - speech.end_ms if following and is_answered else None,
        stop_ms=stop_ms,
    )


def _next_after(
    speech: UserSpeech, spoken_over: AgentSpeech, conversation: Conversation
) -> AgentSpeech | None:
    """The agent's first new stretch that can still have to do with an overlap."""
    later_ms = next(
        (s.start_ms for s in conversation.user if s.is_addressed and s.start_ms > speech.start_ms),
        _NEVER_MS,
    )
    limit_ms = max(speech.end_ms, spoken_over.span.end_ms) + RESPOND_WITHIN_MS
    following = _first_from(spoken_over.span.end_ms, conversation)
    if following is None or following.span.start_ms >= min(later_ms, limit_ms + 1):
        return None
    return following


def _stuck(speech: UserSpeech, conversation: Conversation) -> list[Event]:
    end_ms = speech.end_ms
    if any(a.span.start_ms <= end_ms < a.span.end_ms for a in conversation.agent):
        return []
    starts = [a.span.start_ms for a in conversation.agent]
    starts += [s.start_ms for s in conversation.user]
    until_ms = min((t for t in starts if t >= end_ms), default=conversation.duration_ms)
    if until_ms - end_ms <= STUCK_AFTER_MS:
        return []
    return [Event(kind="stuck", outcome="stuck", start_ms=end_ms, end_ms=until_ms)]


def _spoken_over(speech: UserSpeech, conversation: Conversation) -> AgentSpeech | None:
    """The agent's stretch that user speech begins in."""
    return next(
        (
            agent
            for agent in conversation.agent
            if agent.span.start_ms < speech.start_ms < agent.span.end_ms
        ),
        None,
    )


def _first_from(time_ms: int, conversation: Conversation) -> AgentSpeech | None:
    return next((a for a in conversation.agent if a.span.start_ms >= time_ms), None)
