"""Recordings played to an engine, and when the agent is to be heard."""

import numpy as np
import pytest

from voiceagent.audio.framing import FRAME_SAMPLES
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.engine import Engine
from voiceagent.serving.playback import Playback, SaidWord, play, play_each


def spoken(*spans_ms: tuple[int, int], total_ms: int = 2000) -> Playback:
    agent = np.zeros(total_ms * 24, np.float32)
    for start_ms, end_ms in spans_ms:
        agent[start_ms * 24 : end_ms * 24] = 0.1
    words = (SaidWord("hello", 400), SaidWord("anna", 800))
    return Playback(agent, said=words, heard=words[1:])


@pytest.mark.parametrize(
    ("spans", "after_ms", "silent_ms"),
    [
        (((400, 1000),), 600, 1000),
        (((400, 1000),), 1200, 1200),
        (((400, 700), (800, 1000)), 600, 1000),  # 100 ms is a pause between words
        (((400, 700), (900, 1000)), 600, 700),  # 200 ms is silence
        (((400, 2000),), 600, None),
        (((400, 1960),), 600, 1960),
        (((400, 1000),), 990, 1000),
    ],
)
def test_silent_from_ms_finds_the_first_long_silence(spans, after_ms, silent_ms):
    assert spoken(*spans).silent_from_ms(after_ms) == silent_ms


@pytest.mark.parametrize(("after_ms", "sound_ms"), [(0, 400), (700, 700), (1100, None)])
def test_sound_from_ms_finds_the_first_sound(after_ms, sound_ms):
    assert spoken((400, 1000)).sound_from_ms(after_ms) == sound_ms


def test_sound_below_the_threshold_is_silence():
    playback = Playback(np.full(4800, 0.009, np.float32), (), ())
    assert playback.sound_from_ms() is None


def test_said_text_takes_the_words_of_a_span():
    playback = spoken()
    assert playback.said_text() == "hello anna"
    assert playback.said_text(400, 800) == "hello"
    assert playback.said_text(401) == "anna"
    assert playback.heard_text() == "anna"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load("nano", EngineConfig(num_slots=2))


def noises(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.01, length).astype(np.float32) for length in lengths]


@pytest.mark.slow
def test_play_gives_every_recording_its_own_length(engine):
    lengths = (3 * FRAME_SAMPLES, FRAME_SAMPLES + 1, 5 * FRAME_SAMPLES, 1)
    playbacks = play(engine, noises(*lengths))
    frames = [len(playback.agent) // FRAME_SAMPLES for playback in playbacks]
    assert frames == [3, 2, 5, 1]


@pytest.mark.slow
def test_play_frees_every_slot_and_counts_every_frame(engine):
    counts: list[int] = []
    play(engine, noises(2 * FRAME_SAMPLES, FRAME_SAMPLES, FRAME_SAMPLES), counts.append)
    assert engine.num_free == 2
    assert counts == [2, 2]


def test_play_of_an_empty_recording_raises(engine):
    with pytest.raises(ValueError, match="no samples"):
        play(engine, noises(0))


@pytest.mark.slow
def test_play_each_gives_the_shorter_recording_first(engine):
    lengths = (4 * FRAME_SAMPLES, FRAME_SAMPLES, 2 * FRAME_SAMPLES)
    found = list(play_each(engine, iter(noises(*lengths))))
    assert [index for index, _ in found] == [1, 2, 0]
    assert [len(playback.agent) // FRAME_SAMPLES for _, playback in found] == [1, 2, 4]
