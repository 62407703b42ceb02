import numpy as np
import pytest

from voiceagent.errors import SessionClosed
from voiceagent.serving.config import EngineConfig, SessionOptions
from voiceagent.serving.session import UNREPORTED_LAG_FRAMES, Session
from voiceagent.serving.slots import SlotHandle


@pytest.fixture
def session():
    return Session(SlotHandle(3, 1), SessionOptions(), EngineConfig(gate_below_dbfs=-60))


def frame(level):
    return np.full(1920, level, np.float32)


@pytest.mark.parametrize(("level", "is_gated"), [(0.1, False), (1e-4, True)])
def test_frame_below_the_level_is_gated(session, level, is_gated):
    session.push(frame(level))
    item = session.next_input()
    assert (item.slot, item.is_gated) == (3, is_gated)


def test_closed_gate_gates_loud_frames_too(session):
    session.is_gate_closed = True
    session.push(frame(0.5))
    assert session.next_input().is_gated


def test_frame_with_nan_becomes_silence_and_is_counted(session):
    session.push(np.where(np.arange(1920) == 7, np.nan, 0.5).astype(np.float32))
    item = session.next_input()
    assert item.is_gated
    assert not item.pcm.any()
    assert session.bad_frames == 1


def test_session_with_a_full_queue_drops_the_oldest(session):
    for level in range(30):
        session.push(frame(level / 100))
    assert session.ready_frames == 25
    assert session.dropped_frames == 5
    assert session.next_input().pcm[0] == pytest.approx(0.05)


def test_samples_beyond_full_scale_are_clipped_before_the_model(session):
    session.push(frame(3e38))
    assert session.next_input().pcm.max() == 1.0


def test_push_after_the_end_is_refused(session):
    session.is_closed = True
    with pytest.raises(SessionClosed):
        session.push(frame(0.1))


def test_session_that_prepares_counts_sound_and_keeps_none(session):
    session.is_preparing = True
    session.push(frame(0.5))
    session.is_preparing = False
    assert (session.early_samples, session.ready_frames, session.dropped_frames) == (1920, 0, 0)


def heard_frames(session):
    assert session.playout.generated_frames == session.playout.sent_frames == session.steps
    return session.playout.heard_frames


def test_listener_who_reports_nothing_is_taken_to_be_a_constant_behind(session):
    assert heard_frames(session) == 0
    session.steps = 10
    assert heard_frames(session) == 10 - UNREPORTED_LAG_FRAMES


def test_listener_who_reports_is_that_far_behind_until_the_next_report(session):
    session.steps = 10
    session.played(401)
    assert heard_frames(session) == 5
    session.steps = 12
    assert heard_frames(session) == 7
    session.played(5000)
    assert heard_frames(session) == 12
