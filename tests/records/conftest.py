import dataclasses

import pytest

from voiceagent.records.activity import Span
from voiceagent.records.conversation import ANNOTATED, AgentSpeech, Conversation, UserSpeech
from voiceagent.records.recorder import SessionRecorder
from voiceagent.records.schema import SessionHeader, TraceFrame

SILENT, LOUD = -90.0, -20.0


def trace_frame(step: int, user: float = SILENT, agent: float = SILENT, **changes) -> TraceFrame:
    frame = TraceFrame(
        step=step,
        time_ms=80 * step,
        user_dbfs=user,
        agent_dbfs=agent,
        said=None,
        heard=None,
        p_pad=0.9,
        p_epad=0.05,
        entropy=0.3,
        is_gated=False,
        step_us=10_000,
        lag_us=12_000,
    )
    return dataclasses.replace(frame, **changes)


@pytest.fixture
def make_frame():
    return trace_frame


def session_header(number: int = 1) -> SessionHeader:
    return SessionHeader(
        id=f"{number:032x}", model="nano", transport="test", started_at="2026-11-22T10:00:00.000"
    )


@pytest.fixture
def header() -> SessionHeader:
    return session_header()


@pytest.fixture
def record_one(tmp_path):
    """Records a short exchange: the user speaks, 400 ms later the agent answers over its end."""

    def record(number: int = 1, **options) -> SessionRecorder:
        recorder = SessionRecorder(tmp_path, session_header(number), **options)
        for step in range(10):
            recorder.frame(trace_frame(step, user=LOUD, heard="hello" if step == 9 else None))
        for step in range(10, 15):
            recorder.frame(trace_frame(step, is_gated=True))
        for step in range(15, 25):
            is_over = step >= 23
            recorder.frame(
                trace_frame(step, user=LOUD if is_over else SILENT, agent=LOUD, said="hi")
            )
        recorder.close("hung up", frames_lost=3)
        return recorder

    return record


def conversation_of(*lines: tuple, duration_ms: int = 20_000, resumed_ms=()) -> Conversation:
    """Lines are ("agent", start, end[, text]) or (kind, start, end[, start, end ...]), in ms."""
    agent = [AgentSpeech(Span(*line[1:3]), *line[3:]) for line in lines if line[0] == "agent"]
    user = [
        UserSpeech(line[0], tuple(Span(*pair) for pair in zip(line[1::2], line[2::2], strict=True)))
        for line in lines
        if line[0] != "agent"
    ]
    return Conversation(
        labels=ANNOTATED,
        duration_ms=duration_ms,
        user=tuple(sorted(user, key=lambda speech: speech.start_ms)),
        agent=tuple(sorted(agent, key=lambda speech: speech.span)),
        resumed_ms=tuple(resumed_ms),
    )


@pytest.fixture
def converse():
    return conversation_of
