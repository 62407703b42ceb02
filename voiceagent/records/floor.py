"""Who has the floor right now: what the policy says, else whoever sounded alone last.

An estimate, like everything that is read from a live call.
"""

from __future__ import annotations

from voiceagent.records.activity import is_speech
from voiceagent.records.schema import TraceFrame

NOBODY, USER, AGENT = "nobody", "user", "agent"
#: By the policy's state. In an overlap the agent still has it, until it yields.
_HOLDERS = {
    "start": NOBODY,
    "listen": USER,
    "user_pause": USER,
    "take": AGENT,
    "speak": AGENT,
    "overlap": AGENT,
    "yield": USER,
    "agent_bc": USER,
}


class Floor:
    """Next: `add` every frame.

    Attributes:
        holder: "nobody", "user" or "agent".
        state: of the policy; None where none runs.
    """

    def __init__(self) -> None:
        self.holder = NOBODY
        self.state: str | None = None

    def add(self, frame: TraceFrame) -> None:
        """Take the next frame."""
        self.state = None if frame.turn is None else frame.turn.state
        if self.state is not None:
            self.holder = _HOLDERS.get(self.state, NOBODY)
            return
        user, agent = is_speech(frame.user_dbfs), is_speech(frame.agent_dbfs)
        if user != agent:
            self.holder = USER if user else AGENT
