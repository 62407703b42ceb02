"""What the agent does now, in LiveKit's words: `lk.agent.state`."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from voiceagent.audio.level import rms_dbfs
from voiceagent.serving.ports import PortFrame

ATTRIBUTE = "lk.agent.state"
State: TypeAlias = Literal["initializing", "listening", "thinking", "speaking"]
#: State of the turn-taking policy in which the agent has the floor and no words yet.
_TAKES = "take"
#: Without a policy: louder than this is speech.
SPEECH_DBFS = -50.0
#: So long it still counts as speaking between two words.
HOLD_MS = 600


class AgentState:
    """Next: `add` every frame of the engine."""

    def __init__(self) -> None:
        self.now: State = "initializing"
        self._spoke_ms = -HOLD_MS

    def add(self, frame: PortFrame) -> State:
        """The state with this frame."""
        if rms_dbfs(frame.pcm) > SPEECH_DBFS:
            self._spoke_ms = frame.time_ms
        if frame.time_ms - self._spoke_ms < HOLD_MS:
            self.now = "speaking"
        else:
            self.now = "thinking" if _policy_state(frame.turn) == _TAKES else "listening"
        return self.now


def _policy_state(turn: dict[str, Any] | None) -> str:
    decision = (turn or {}).get("row", {}).get("decision", {})
    return str(decision.get("state", ""))
