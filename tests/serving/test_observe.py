"""The observer's threads, and the observation of a session."""

import threading

import numpy as np
import pytest

from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.serving.config import ObserveConfig
from voiceagent.serving.ears import SoundFrame
from voiceagent.serving.observe import NO_CUES, ModelView, Observer, Playout, observation
from voiceagent.turntaking.types import Text

SILENCE = np.zeros(1920, np.float32)
WAIT_MS = 10_000


@pytest.fixture
def observer():
    observer = Observer(ObserveConfig(num_slots=2))
    yield observer
    observer.close()


@pytest.fixture
def blocked(observer):
    """Keep the observer's thread busy until the event is set."""
    event = threading.Event()
    observer._thread.submit(event.wait, 10)
    yield event
    event.set()


def frame(index, slot=0, pcm=SILENCE):
    return SoundFrame(slot, index, pcm, SILENCE)


def test_frames_come_back_as_cues_of_each_session(observer):
    observer.submit([frame(0), frame(7, slot=1)])
    assert [(cue.slot, cue.frame) for cue in observer.poll(WAIT_MS)] == [(0, 0), (1, 7)]
    assert observer.poll() == []


def test_nobody_waits_for_a_busy_thread(observer, blocked):
    observer.submit([frame(0)])
    assert observer.poll() == []
    blocked.set()
    assert [cue.frame for cue in observer.poll(WAIT_MS)] == [0]


def test_a_thread_that_does_not_keep_up_loses_the_oldest_frames(observer, blocked):
    for index in range(5):
        observer.submit([frame(index)])
    blocked.set()
    assert [cue.frame for cue in observer.poll(WAIT_MS)] == [2, 3, 4]
    assert observer.dropped_batches == 2


def test_no_frames_are_nothing_to_judge(observer):
    observer.submit([])
    assert observer.poll() == []


def test_a_frame_of_no_slot_is_refused(observer):
    with pytest.raises(ValueError, match="slot"):
        observer.submit([frame(0, slot=2)])


def test_bad_sound_is_counted(observer):
    observer.submit([frame(0, pcm=np.full(1920, np.nan, np.float32))])
    observer.poll(WAIT_MS)
    assert observer.bad_frames == 1


def test_a_fault_of_a_detector_reaches_the_caller(observer, monkeypatch):
    def fail(frames):
        raise RuntimeError("the network broke")

    monkeypatch.setattr(observer._ears, "hear", fail)
    observer.submit([frame(0)])
    with pytest.raises(RuntimeError, match="the network broke"):
        observer.poll(WAIT_MS)


def test_a_new_session_begins_after_the_frames_before_it(observer):
    pcm = np.full(1920, 1e-3, np.float32)
    observer.submit([frame(0, pcm=pcm)])
    observer.begin(0)
    observer.submit([frame(0, pcm=pcm * 300)])
    observer.poll(WAIT_MS)
    assert observer._ears._level._floor_dbfs[0] == pytest.approx(-49.75)


def test_what_a_slot_had_waiting_does_not_come_in_its_new_session(observer, blocked):
    observer.submit([frame(3), frame(8, slot=1)])
    observer.begin(0)
    observer.submit([frame(0)])
    blocked.set()
    assert [(cue.slot, cue.frame) for cue in observer.poll(WAIT_MS)] == [(1, 8), (0, 0)]


def test_a_pause_is_judged_once():
    observer = Observer(ObserveConfig(end_of_turn="smart_turn"))
    pcm = np.pad(read_wav(QUESTION).pcm, (0, 24_000))
    cues = []
    for index, sound in enumerate(pcm[: len(pcm) // 1920 * 1920].reshape(-1, 1920)):
        observer.submit([frame(index, pcm=sound)])
        cues += observer.poll(WAIT_MS)
        if cues[-1].is_pause_onset:
            observer._pauses._judging[0].result(WAIT_MS)
    observer.close()
    onsets = [cue.frame for cue in cues if cue.is_pause_onset]
    judged = [cue.frame for cue in cues if cue.p_eot is not None]
    assert judged == [onset + 1 for onset in onsets]
    assert cues[judged[-1]].p_eot > 0.5


def test_more_pauses_than_can_wait_are_not_judged():
    observer = Observer(ObserveConfig(num_slots=12, end_of_turn="smart_turn"))
    event = threading.Event()
    observer._pauses._thread.submit(event.wait, 10)
    for slot in range(12):
        observer._pauses._ask(slot, SILENCE)
    assert observer.dropped_pauses == 4
    observer._pauses.begin(0)
    observer._pauses._ask(0, SILENCE)
    assert observer.dropped_pauses == 4
    event.set()
    observer.close()


def test_an_observation_holds_what_was_heard_said_and_played(observer):
    observer.submit([frame(5, pcm=np.full(1920, 0.5, np.float32))])
    cues = observer.poll(WAIT_MS)[0]
    model = ModelView(text=Text.WORD, heard=" plus", p_epad=0.25, rewind_room_frames=6)
    playout = Playout(generated_frames=5, sent_frames=4, heard_frames=2)
    seen = observation(5, cues, model, playout, is_hung_up=True)
    assert (seen.frame, seen.is_late, seen.is_hung_up) == (5, False, True)
    assert seen.level_dbfs == pytest.approx(-6.02, abs=0.01)
    assert (seen.text, seen.heard, seen.p_epad, seen.rewind_room_frames) == (
        "word",
        " plus",
        0.25,
        6,
    )
    assert (seen.generated_frames, seen.sent_frames, seen.heard_frames) == (5, 4, 2)


def test_cues_of_the_frame_before_are_late(observer):
    observer.submit([frame(5)])
    cues = observer.poll(WAIT_MS)[0]
    assert observation(6, cues, ModelView(), Playout()).is_late


def test_before_any_cues_there_is_silence():
    seen = observation(0, NO_CUES, ModelView(), Playout())
    assert (seen.p_user, seen.is_late, seen.text) == (0.0, True, Text.NONE)
