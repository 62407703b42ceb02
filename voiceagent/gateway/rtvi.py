"""The messages of the data channel: text in, typed events out, and the other way.

RTVI 2.x as Pipecat speaks it (`{label, type, id, data}`), of which the gateway answers little:
nothing that a client sends can interrupt the agent, hand over files or end a pipeline. What is not
understood is counted and forgotten. Sans-I/O: no channel, no clock of its own.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, TypeAlias

from voiceagent.clock import Clock

LABEL = "rtvi-ai"
PROTOCOL_VERSION = "2.2.0"
MAX_MESSAGE_BYTES = 16_384
MAX_MESSAGES_PER_S = 50
MAX_ID_CHARS = 64
#: More than a day of sound cannot have been played.
MAX_PLAYED_MS = 86_400_000

Message: TypeAlias = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Ping:
    """The client is there."""


@dataclasses.dataclass(frozen=True, slots=True)
class ClientReady:
    """The client listens; `bot_ready` answers it."""

    id: str


@dataclasses.dataclass(frozen=True, slots=True)
class Playout:
    """How much of the agent's sound the client has played since it joined."""

    played_ms: int


@dataclasses.dataclass(frozen=True, slots=True)
class Goodbye:
    """The client hangs up."""


Event: TypeAlias = Ping | ClientReady | Playout | Goodbye


class ClientMessages:
    """Next: `receive` each message of the channel; None means that it was ignored."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._in_second = 0
        #: Messages that were too many, too large or not understood.
        self.ignored = 0

    def receive(self, message: str | bytes) -> Event | None:
        """What a message means."""
        event = self._parse(message) if self._is_within_caps(message) else None
        if event is None:
            self.ignored += 1
        return event

    def _is_within_caps(self, message: str | bytes) -> bool:
        second = self._clock.now_us() // 1_000_000
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= MAX_MESSAGES_PER_S and len(message) <= MAX_MESSAGE_BYTES

    def _parse(self, message: str | bytes) -> Event | None:
        if isinstance(message, bytes):
            return None
        if message.startswith("ping"):
            return Ping()
        try:
            content = json.loads(message)
        except (ValueError, RecursionError):
            return None
        if not isinstance(content, dict) or content.get("label") != LABEL:
            return None
        return _event(content)


def _event(content: Message) -> Event | None:
    match content.get("type"):
        case "client-ready":
            return ClientReady(str(content.get("id", ""))[:MAX_ID_CHARS])
        case "disconnect-bot":
            return Goodbye()
        case "client-message":
            return _client_message(content.get("data"))
    return None


def _client_message(data: object) -> Event | None:
    match data:
        case {"t": "playout", "d": {"played_ms": int(played_ms)}}:
            if not isinstance(played_ms, bool) and 0 <= played_ms <= MAX_PLAYED_MS:
                return Playout(played_ms)
    return None


def bot_ready(request_id: str) -> Message:
    """The answer to `ClientReady`."""
    about = {"library": "voiceagent"}
    data = {"version": PROTOCOL_VERSION, "about": about}
    return {"label": LABEL, "type": "bot-ready", "id": request_id, "data": data}


def server_message(data: Message) -> Message:
    """A message of ours: `word`, `stats`, `axes` and `ended` below."""
    return {"label": LABEL, "type": "server-message", "data": data}


def word(side: str, text: str, time_ms: int) -> Message:
    """A word of the "user" or the "agent", `time_ms` after the session's start."""
    return {"t": "word", "side": side, "text": text, "time_ms": time_ms}


def stats(step_us: int, lag_us: int, queued_ms: int, dropped_frames: int) -> Message:
    """How the session does, once a second."""
    return {
        "t": "stats",
        "step_us": step_us,
        "lag_us": lag_us,
        "queued_ms": queued_ms,
        "dropped_frames": dropped_frames,
    }


def axes(brief: Message, floor: str, state: str | None) -> Message:
    """How the conversation goes, at most once a second, where it is recorded.

    Args:
        brief: of `records.axes.Axes.brief`: estimated.
        floor: who has it now, "nobody", "user" or "agent".
        state: of the turn-taking policy, such as "listen"; None where none runs.
    """
    return {"t": "axes", **brief, "floor": floor, "state": state}


def ended(reason: str) -> Message:
    """The last message of a session that the server ends."""
    return {"t": "ended", "reason": reason}
