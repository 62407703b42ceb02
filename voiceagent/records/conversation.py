"""A conversation as the axes see it: who spoke when, and what each piece of user speech was.

Plain data. The labels come from a scene's annotation or from `labels`, which estimates them; which
of the two is part of the data, and travels into every number that is made of it.
"""

from __future__ import annotations

import dataclasses

from voiceagent.records.activity import Span

ESTIMATED, ANNOTATED = "estimated", "annotated"
#: What begins while the agent speaks (Full-Duplex-Bench v1.5). Only the first is a turn.
OVERLAP_KINDS = ("interruption", "user_backchannel", "talking_to_others", "background_speech")
USER_KINDS = ("turn", *OVERLAP_KINDS)
#: Said to the agent, and wants an answer.
ADDRESSED_KINDS = ("turn", "interruption")


@dataclasses.dataclass(frozen=True, slots=True)
class UserSpeech:
    """Something that is said on the user's side, whole.

    Attributes:
        kind: one of `USER_KINDS`.
        parts: at least one; between them lie pauses, in which the floor stays the speaker's.
    """

    kind: str
    parts: tuple[Span, ...]

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: naming the field.
        """
        if self.kind not in USER_KINDS:
            raise ValueError(f"kind: {self.kind!r} is none of {', '.join(USER_KINDS)}")
        in_order = all(a.end_ms <= b.start_ms for a, b in zip(self.parts, self.parts[1:]))  # noqa: B905
        if not self.parts or not in_order:
            raise ValueError("parts: none, or not one after the other")

    @property
    def start_ms(self) -> int:
        """First sound."""
        return self.parts[0].start_ms

    @property
    def end_ms(self) -> int:
        """After the last sound."""
        return self.parts[-1].end_ms

    @property
    def is_addressed(self) -> bool:
        """Whether the agent should answer it."""
        return self.kind in ADDRESSED_KINDS


@dataclasses.dataclass(frozen=True, slots=True)
class AgentSpeech:
    """A stretch of the agent, as the caller hears it; short silences lie within.

    Attributes:
        span: from the first to after the last sound.
        text: what it says, as far as known.
    """

    span: Span
    text: str = ""

    @property
    def num_words(self) -> int:
        """How many words `text` has."""
        return len(self.text.split())


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Both sides, from the session's start.

    Attributes:
        labels: `ESTIMATED` or `ANNOTATED`.
        duration_ms: of all of it.
        user: by start.
        agent: by start.
        resumed_ms: when the agent took up again what it had broken off; only a turn-taking
            policy knows that.
    """

    labels: str
    duration_ms: int
    user: tuple[UserSpeech, ...] = ()
    agent: tuple[AgentSpeech, ...] = ()
    resumed_ms: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: naming the field.
        """
        if self.labels not in (ESTIMATED, ANNOTATED):
            raise ValueError(f"labels: {self.labels!r} is neither {ESTIMATED} nor {ANNOTATED}")
        for field in ("user", "agent"):
            starts = [_start_ms(speech) for speech in getattr(self, field)]
            if starts != sorted(starts):
                raise ValueError(f"{field}: not in the order of their starts")


def _start_ms(speech: UserSpeech | AgentSpeech) -> int:
    return speech.start_ms if isinstance(speech, UserSpeech) else speech.span.start_ms
