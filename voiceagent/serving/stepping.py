"""What the hub asks of an engine."""

from __future__ import annotations

from typing import Protocol

from voiceagent.serving.config import EngineConfig, SessionOptions
from voiceagent.serving.metrics import StepMetrics
from voiceagent.serving.session import Session, SessionFrame


class SteppingEngine(Protocol):
    """`engine.Engine` and `echo.EchoEngine` are such."""

    config: EngineConfig
    metrics: StepMetrics

    @property
    def num_free(self) -> int:
        """Sessions that could be opened now."""
        ...

    def open_session(self, options: SessionOptions | None = None) -> Session:
        """Start a conversation, or raise AtCapacity, PromptRefused or DetectorUnavailable."""
        ...

    @property
    def is_promptable(self) -> bool:
        """Whether a session may have a role and a voice."""
        ...

    def voice_ids(self) -> tuple[str, ...]:
        """Voices that a session may ask for."""
        ...

    @property
    def preparing(self) -> Session | None:
        """The session whose prompt is being fed."""
        ...

    def prepare(self) -> bool:
        """Feed the next piece of it; returns whether that session can begin."""
        ...

    def close(self, session: Session) -> None:
        """End it."""
        ...

    def step(self) -> list[SessionFrame]:
        """Advance every session with a complete frame."""
        ...
