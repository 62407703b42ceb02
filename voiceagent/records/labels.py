"""Estimates who said what to whom in a call, from its trace: levels, timing and words.

What a bench scene has as annotation, a live call has to guess: which silences are pauses, and
whether something said over the agent is an interruption, a backchannel, or not meant for it. Where
a turn-taking policy ran, its own opinion of an overlap is taken instead. Everything that comes out
is labelled "estimated".

The agent is placed where the caller hears it: its sound leaves once the user's frame is complete
and the step is done, or, where the player reports it, later still.
"""

from __future__ import annotations

import statistics
from array import array
from collections.abc import Iterable, Sequence

import numpy as np

from voiceagent.records.activity import FRAME_MS, Span, is_speech, join, spans
from voiceagent.records.conversation import (
    ESTIMATED,
    AgentSpeech,
    Conversation,
    UserSpeech,
)
from voiceagent.records.schema import TraceFrame, TurnTrace

#: Silences up to this long are articulation, not pauses.
ARTICULATION_MS = 160
#: Longer silences end a turn.
LONGEST_PAUSE_MS = 1000
#: An agent that has spoken this long has the floor: who speaks then does not go on after a pause.
SETTLED_MS = 500
#: Shorter sounds of the user are clicks.
SHORTEST_SPEECH_MS = 160
#: Silences of the agent up to this long lie within a stretch. Source: Full-Duplex-Bench v1.5.
AGENT_JOIN_MS = 500
#: A frame in which the user speaks with at least this probability counts as speech.
SPEECH_PROBABILITY = 0.5
#: So far below the caller's usual level, speech is not meant for the agent, or not the caller's.
ASIDE_DB, BACKGROUND_DB = 6.0, 13.0
#: Over the agent, so short and with so few words, it is a backchannel.
USER_BACKCHANNEL_MS, USER_BACKCHANNEL_WORDS = 1000, 2
#: What the policy takes an overlap for, by the reason it gives. Who else is meant it does not say.
ASIDE = "talking_to_others"
OPINIONS = {
    "interruption": "interruption",
    "backchannel": "user_backchannel",
    "false_interruption": "user_backchannel",
    "not_addressed": ASIDE,
}
#: A word belongs to speech that began or ended this shortly before it.
WORD_LAG_MS = 480


class ActivityLog:
    """Of a call, what the estimate needs. Next: `add` every frame, in order; `conversation`."""

    def __init__(self) -> None:
        self._user, self._agent = array("B"), array("B")
        self._user_dbfs = array("f")
        self._lag_us, self._behind_ms = array("L"), array("l")
        self._said: list[tuple[int, str]] = []
        self._heard_ms: list[int] = []
        self._opinions: list[tuple[int, str]] = []
        self._resumed_ms: list[int] = []

    def copy(self) -> ActivityLog:
        """As it is now, to be judged in another thread while frames go on coming here."""
        copied = ActivityLog()
        for name, values in vars(self).items():
            setattr(copied, name, values[:])
        return copied

    def add(self, frame: TraceFrame) -> None:
        """Take the next frame."""
        time_ms, turn = len(self._user) * FRAME_MS, frame.turn
        p_user = None if turn is None else turn.p_user
        speaks = is_speech(frame.user_dbfs) if p_user is None else p_user >= SPEECH_PROBABILITY
        is_muted = turn is not None and turn.is_on and turn.audio == "mute"
        self._user.append(speaks)
        self._agent.append(is_speech(frame.agent_dbfs) and not is_muted)
        self._user_dbfs.append(frame.user_dbfs)
        self._lag_us.append(frame.lag_us)
        if frame.said is not None:
            self._said.append((time_ms, frame.said))
        if frame.heard is not None:
            self._heard_ms.append(time_ms)
        if turn is not None:
            self._add_turn(time_ms, turn)

    def _add_turn(self, time_ms: int, turn: TurnTrace) -> None:
        if turn.heard_ms is not None:
            self._behind_ms.append(time_ms + FRAME_MS - turn.heard_ms)
        if turn.reason in OPINIONS:
            self._opinions.append((time_ms, OPINIONS[turn.reason]))
        if turn.is_on and turn.is_resume:
            self._resumed_ms.append(time_ms)

    @property
    def delay_ms(self) -> int:
        """From the start of a user's frame to the caller hearing the answer to it."""
        lag_ms = statistics.median(self._lag_us) / 1000 if self._lag_us else 0.0
        behind_ms = statistics.median(self._behind_ms) if self._behind_ms else FRAME_MS
        return round(max(FRAME_MS, behind_ms) + lag_ms)

    def conversation(self) -> Conversation:
        """What was said so far, with estimated labels."""
        agent = self._agent_speech()
        return Conversation(
            labels=ESTIMATED,
            duration_ms=len(self._user) * FRAME_MS,
            user=tuple(self._user_speech(agent)),
            agent=tuple(agent),
            resumed_ms=tuple(time_ms + self.delay_ms for time_ms in self._resumed_ms),
        )

    def _agent_speech(self) -> list[AgentSpeech]:
        delay_ms = self.delay_ms
        found = join(spans(self._agent, delay_ms), AGENT_JOIN_MS)
        said = [(time_ms + delay_ms, piece) for time_ms, piece in self._said]
        return [AgentSpeech(span, _text(said, span)) for span in found]

    def _user_speech(self, agent: Sequence[AgentSpeech]) -> list[UserSpeech]:
        parts = join(spans(self._user), ARTICULATION_MS)
        groups = _grouped([p for p in parts if p.duration_ms >= SHORTEST_SPEECH_MS], agent)
        usual_dbfs = self._usual_dbfs(groups, agent)
        return [UserSpeech(self._kind(g, agent, usual_dbfs), tuple(g)) for g in groups]

    def _usual_dbfs(self, groups: Sequence[list[Span]], agent: Sequence[AgentSpeech]) -> float:
        """How loud the caller is when nobody else speaks."""
        alone = [self._level_dbfs(g) for g in groups if not _is_over(g, agent)]
        return max(alone, default=0.0)

    def _kind(self, parts: Sequence[Span], agent: Sequence[AgentSpeech], usual_dbfs: float) -> str:
        begin_ms, end_ms = parts[0].start_ms, parts[-1].end_ms + WORD_LAG_MS
        is_over, opinion = _is_over(parts, agent), None
        if is_over:  # else the policy speaks of what the caller had not heard yet
            opinion = next((k for t, k in reversed(self._opinions) if begin_ms <= t < end_ms), None)
        if opinion is not None and opinion != ASIDE:
            return opinion
        below_db = usual_dbfs - self._level_dbfs(parts)
        if below_db >= BACKGROUND_DB:
            return "background_speech"
        if not is_over:
            return "turn"
        if below_db >= ASIDE_DB or opinion == ASIDE:
            return ASIDE
        words = sum(begin_ms <= t < end_ms for t in self._heard_ms)
        is_short = parts[-1].end_ms - begin_ms <= USER_BACKCHANNEL_MS
        is_backchannel = is_short and words <= USER_BACKCHANNEL_WORDS
        return "user_backchannel" if is_backchannel else "interruption"

    def _level_dbfs(self, parts: Sequence[Span]) -> float:
        """The level that a quarter of its frames exceed: of syllables, not of what lies between."""
        indices = [i for p in parts for i in range(p.start_ms // FRAME_MS, p.end_ms // FRAME_MS)]
        return float(np.percentile([self._user_dbfs[i] for i in indices], 75))


def estimate(trace: Iterable[TraceFrame]) -> Conversation:
    """A whole trace as a conversation."""
    log = ActivityLog()
    for frame in trace:
        log.add(frame)
    return log.conversation()


def _grouped(parts: Sequence[Span], agent: Sequence[AgentSpeech]) -> list[list[Span]]:
    """Parts with pauses between them, as turns."""
    groups: list[list[Span]] = []
    for part in parts:
        if groups and _is_pause(Span(groups[-1][-1].end_ms, part.start_ms), agent):
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _is_pause(silence: Span, agent: Sequence[AgentSpeech]) -> bool:
    """Whether the user had more to say; not where the agent has had the floor for a while."""
    lost_floor = any(
        silence.start_ms <= a.span.start_ms <= silence.end_ms - SETTLED_MS
        and a.span.end_ms > silence.end_ms
        for a in agent
    )
    return silence.duration_ms <= LONGEST_PAUSE_MS and not lost_floor


def _is_over(parts: Sequence[Span], agent: Sequence[AgentSpeech]) -> bool:
    begin_ms = parts[0].start_ms
    return any(speech.span.start_ms < begin_ms < speech.span.end_ms for speech in agent)


def _text(said: Sequence[tuple[int, str]], span: Span) -> str:
    """The words that begin in a stretch; the first may lie a little before its sound."""
    begin_ms = span.start_ms - WORD_LAG_MS
    return "".join(piece for t, piece in said if begin_ms <= t < span.end_ms).strip()
