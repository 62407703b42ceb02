"""Which of several agents of a room goes on with its caller: the one whose conversation is oldest.

A server that starts again has jobs for the rooms of calls that outlived it, and gives them to any
worker, also while the one that held the conversation comes back by itself. So each agent says from
its first moment in a room, as a claim in its token, since when it converses there, and who finds
an elder one leaves. Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Self

from livekit import rtc

#: Attribute of an agent: milliseconds of the epoch.
SINCE = "voiceagent.since_ms"


@dataclasses.dataclass(frozen=True, slots=True)
class Agent:
    """A participant that is an agent.

    Attributes:
        identity: in the room.
        name: agents of other names have other duties.
        attributes: as the room shows them.
    """

    identity: str
    name: str
    attributes: Mapping[str, str]

    @classmethod
    def of(cls, participant: rtc.Participant) -> Self:
        """What can be seen of a participant now."""
        return cls(participant.identity, participant.name, participant.attributes)

    @property
    def claim(self) -> Mapping[str, str]:
        """What another way into the room has to say, to be taken for the same agent."""
        return {name: value for name, value in self.attributes.items() if name == SINCE}

    @property
    def since_ms(self) -> int | None:
        """When its conversation began; None where it does not say so."""
        text = self.attributes.get(SINCE, "")
        return int(text) if text.isascii() and text.isdecimal() else None


def elder(me: Agent, others: Iterable[Agent]) -> Agent | None:
    """The agent to which this one leaves the caller; None where there is none.

    Those of the same moment are two ways to one conversation.
    """
    mine_ms = me.since_ms
    older = [
        (since_ms, other)
        for other in others
        if other.name == me.name
        and (since_ms := other.since_ms) is not None
        and mine_ms is not None
        and since_ms < mine_ms
    ]
    return min(older, key=itemgetter(0))[1] if older else None
