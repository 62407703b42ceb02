import dataclasses

import numpy as np

from voiceagent.gateway.phone.state import AgentState
from voiceagent.serving.ports import PortFrame


def frame(step, level=0.0, state=None):
    turn = None if state is None else {"row": {"decision": {"state": state}}}
    values = dict.fromkeys((field.name for field in dataclasses.fields(PortFrame)), 0)
    pcm = np.full(1920, level, np.float32)
    return PortFrame(**{**values, "step": step, "time_ms": step * 80, "pcm": pcm, "turn": turn})


def test_an_agent_begins_by_getting_ready_and_then_listens():
    state = AgentState()
    assert state.now == "initializing"
    assert state.add(frame(0)) == "listening"


def test_it_thinks_from_taking_the_floor_to_its_first_sound():
    state = AgentState()
    states = [state.add(frame(0, 0, "user_pause")), state.add(frame(1, 0, "take"))]
    assert [*states, state.add(frame(2, 0.1, "speak"))] == ["listening", "thinking", "speaking"]


def test_it_speaks_on_over_a_short_pause_and_listens_after_a_long_one():
    state = AgentState()
    state.add(frame(0, 0.1))
    assert state.add(frame(7)) == "speaking"
    assert state.add(frame(8)) == "listening"
