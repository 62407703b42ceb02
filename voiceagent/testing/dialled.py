"""Who calls whom, and how LiveKit's SIP bridge shows that to a room: a token and its attributes."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Protocol

from livekit import api

from voiceagent.testing.telephone_line import Band


class Server(Protocol):
    """Where to call: what `LiveKitStack` has."""

    url: str
    api_key: str
    api_secret: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """Who calls whom.

    Attributes:
        number: of the caller.
        to: the number that was dialled.
        agent_name: of the agent that the room asks for; None: it asks for none.
        metadata: JSON text for the agent's job.
        room: name of the room; a new one for every call by default.
        band: codec of the line.
        noise_dbfs: of the caller's room, under all that is said; None for a dead microphone.
        attributes: more of them, as headers of the trunk would make.
    """

    number: str = "+15550100"
    to: str = "+15550199"
    agent_name: str | None = "voiceagent"
    metadata: str = ""
    room: str = dataclasses.field(default_factory=lambda: f"call-{uuid.uuid4().hex[:12]}")
    band: Band = "G722"
    noise_dbfs: float | None = -60.0
    attributes: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Of the participant, as the bridge makes it."""
        return f"sip_{self.number}"

    def token(self, server: Server, call_id: str, *, is_answered: bool) -> str:
        """For the caller's way into the room, which is to bring in the agent.

        Args:
            server: whose room it is.
            call_id: the bridge's name of the call.
            is_answered: whether it rings no more.
        """
        dispatch = [api.RoomAgentDispatch(agent_name=self.agent_name, metadata=self.metadata)]
        config = api.RoomConfiguration(agents=dispatch if self.agent_name is not None else [])
        grants = api.VideoGrants(room_join=True, room=self.room, can_update_own_metadata=True)
        token = api.AccessToken(server.api_key, server.api_secret).with_kind("sip")
        token = token.with_identity(self.identity).with_grants(grants).with_room_config(config)
        attributes = self._attributes(call_id, "active" if is_answered else "ringing")
        return token.with_attributes(attributes).to_jwt()

    def _attributes(self, call_id: str, status: str) -> dict[str, str]:
        return {
            "sip.callID": call_id,
            "sip.callIDFull": f"{call_id}@127.0.0.1",
            "sip.callTag": call_id[-8:],
            "sip.callStatus": status,
            "sip.phoneNumber": self.number,
            "sip.trunkPhoneNumber": self.to,
            "sip.trunkID": "ST_simulated",
            "sip.ruleID": "SDR_simulated",
            "sip.hostname": "127.0.0.1",
            **self.attributes,
        }
