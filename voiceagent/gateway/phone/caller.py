"""Who of a room's participants is the caller."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Self

from livekit import rtc

from voiceagent.gateway.phone.claims import MAX_VALUE_CHARS, clean, sip_claims

_KIND = rtc.ParticipantKind
#: Those who never are; the rest are heard in the order in which they came, telephones first.
_NEVER = (_KIND.PARTICIPANT_KIND_AGENT, _KIND.PARTICIPANT_KIND_EGRESS)
#: Values of `sip.callStatus` before and after a conversation can be held.
_RINGING, _HUNG_UP = ("dialing", "ringing", "automation"), "hangup"


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """A participant, as the agent sees it. All but `identity` are claims of whoever let it in.

    Attributes:
        identity: by which the room knows it.
        kind: of LiveKit.
        attributes: of the participant.
        joined_ms: when it came, for the order.
    """

    identity: str
    kind: int
    attributes: dict[str, str]
    joined_ms: int = 0

    @classmethod
    def of(cls, participant: rtc.RemoteParticipant) -> Self:
        """What can be seen of a participant now."""
        joined = participant.joined_at
        joined_ms = 0 if joined is None else int(joined.timestamp() * 1000)
        attributes = dict(participant.attributes)
        return cls(participant.identity, int(participant.kind), attributes, joined_ms)

    @property
    def is_phone(self) -> bool:
        """Whether it came by SIP."""
        return self.kind == _KIND.PARTICIPANT_KIND_SIP

    @property
    def key(self) -> str:
        """What stays the same when the room is made anew: the SIP call, else the identity."""
        return self.attributes.get("sip.callID") or self.identity

    @property
    def is_active(self) -> bool:
        """Whether it can hear and be heard."""
        status = self.attributes.get("sip.callStatus", "")
        return status not in (*_RINGING, _HUNG_UP)

    @property
    def has_hung_up(self) -> bool:
        """Whether its telephone says so."""
        return self.attributes.get("sip.callStatus") == _HUNG_UP

    def claims(self, room: str) -> dict[str, str]:
        """For the record."""
        kind = _KIND.Name(rtc.ParticipantKind.ValueType(self.kind))
        return {
            "room": clean(room, MAX_VALUE_CHARS),
            "identity": clean(self.identity, MAX_VALUE_CHARS),
            "kind": kind.removeprefix("PARTICIPANT_KIND_").lower(),
            **sip_claims(self.attributes),
        }


def is_caller(participant: Caller) -> bool:
    """Whether it may be one: neither another agent nor a recorder."""
    return participant.kind not in _NEVER and not participant.has_hung_up


def choose(participants: Iterable[Caller]) -> Caller | None:
    """The caller: a telephone before others, then who came first; None where there is none."""
    found = [participant for participant in participants if is_caller(participant)]
    found.sort(key=lambda one: (not one.is_phone, one.joined_ms, one.identity))
    return found[0] if found else None
