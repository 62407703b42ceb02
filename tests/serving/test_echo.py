import numpy as np
import pytest

from voiceagent.errors import AtCapacity
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.echo import EchoEngine


@pytest.fixture
def engine(clock):
    return EchoEngine(EngineConfig(num_slots=2), clock)


def frame(level):
    return np.full(1920, level, np.float32)


def test_step_gives_each_session_its_own_frame_back(engine):
    first, second = engine.open_session(), engine.open_session()
    first.push(frame(0.1))
    second.push(frame(0.2))
    frames = engine.step()
    assert [(f.session, f.step, f.pcm[7]) for f in frames] == [
        (first, 0, np.float32(0.1)),
        (second, 0, np.float32(0.2)),
    ]


def test_step_without_a_complete_frame_is_not_counted(engine):
    engine.open_session()
    assert engine.step() == []
    assert engine.metrics.steps == 0


def test_open_session_beyond_the_slots_is_refused_until_one_is_closed(engine):
    session = engine.open_session()
    engine.open_session()
    with pytest.raises(AtCapacity):
        engine.open_session()
    engine.close(session)
    assert engine.num_free == 1


def test_echo_can_be_told_nothing_and_never_prepares(engine):
    engine.open_session()
    assert (engine.is_promptable, engine.preparing, engine.voice_ids()) == (False, None, ())
