"""The detectors and the sessions that have turn-taking, without a model."""

import threading

import numpy as np
import pytest

from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.errors import DetectorUnavailable
from voiceagent.serving import vad
from voiceagent.serving.config import EngineConfig, ObserveConfig
from voiceagent.serving.ears import Cues
from voiceagent.serving.observe import Playout
from voiceagent.serving.session import StepInput
from voiceagent.serving.turn_slot import ModelStep, TextStream
from voiceagent.serving.turns import Turns

SILENCE = np.zeros(1920, np.float32)
STREAM = TextStream(3, 0, 1, lambda token: None)


def make(wait_ms=10_000, **observe):
    config = EngineConfig(num_slots=3, observe=ObserveConfig(wait_ms=wait_ms, **observe))
    return Turns(config, STREAM)


@pytest.fixture
def turns():
    turns = make()
    yield turns
    turns.close()


def step(turns, frame, sounds):
    """One step of some slots, all in the same frame; returns the rows by slot."""
    inputs = [StepInput(slot, pcm, False) for slot, pcm in sounds.items()]
    turns.listen(inputs, {slot: Playout(generated_frames=frame) for slot in sounds})
    rows = {slot: row for slot, (row, _) in turns.decide().items()}
    for slot in sounds:
        turns.spoke(slot, ModelStep(SILENCE, 0, None, (0,), (0,), 1.0, 0.0, 0.0))
    return rows


@pytest.fixture
def question():
    pcm = read_wav(QUESTION).pcm
    return pcm[: len(pcm) // 1920 * 1920].reshape(-1, 1920)


def test_each_session_is_decided_by_its_own_sound(turns, question):
    turns.begin(0, "on")
    turns.begin(2, "shadow")
    for frame, pcm in enumerate(question):
        rows = step(turns, frame, {0: pcm, 1: pcm, 2: SILENCE})
    assert (rows[0].decision.state, rows[2].decision.state) == ("listen", "start")
    assert set(rows) == {0, 2}


def test_session_without_turn_taking_goes_out_as_it_is(turns):
    assert step(turns, 0, {1: SILENCE}) == {}
    assert turns.spoke(1, None) is None


def test_session_that_has_ended_is_decided_no_more(turns):
    turns.begin(1, "on")
    turns.end(1)
    turns.end(1)
    assert step(turns, 0, {1: SILENCE}) == {}


def test_detector_that_does_not_keep_up_is_waited_for_no_longer_than_asked():
    turns = make(wait_ms=0)
    turns.begin(0, "on")
    event = threading.Event()
    turns._observer._thread.submit(event.wait, 10)
    rows = [step(turns, frame, {0: SILENCE})[0] for frame in range(2)]
    event.set()
    turns.close()
    assert [row.observation.is_late for row in rows] == [True, True]


def test_end_of_turn_is_not_lost_where_two_frames_are_judged_at_once(turns, monkeypatch):
    judged = [
        Cues(0, frame, 0.1, -60, -65, 0, 0, p_eot, False) for frame, p_eot in enumerate((0.9, None))
    ]
    monkeypatch.setattr(turns._observer, "poll", lambda wait_ms: judged)
    turns.begin(0, "on")
    assert step(turns, 1, {0: SILENCE})[0].observation.p_eot == 0.9


def test_new_session_of_a_slot_hears_nothing_of_the_one_before(question):
    turns = make(wait_ms=0)
    turns.begin(0, "on")
    event = threading.Event()
    turns._observer._thread.submit(event.wait, 10)
    step(turns, 0, {0: question[5]})
    turns.begin(0, "on")
    event.set()
    turns._wait_ms = 10_000
    row = step(turns, 0, {0: SILENCE})[0]
    turns.close()
    assert (row.observation.is_late, row.observation.level_dbfs) == (False, -140)


def test_engine_with_neither_detector_says_how_to_get_one(monkeypatch):
    def missing(*args):
        raise DetectorUnavailable("Silero VAD", "no such module")

    monkeypatch.setattr(vad, "open_session", missing)
    monkeypatch.setitem(__import__("sys").modules, "webrtcvad", None)
    with pytest.raises(DetectorUnavailable, match="pip install"):
        make()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("observe")]
