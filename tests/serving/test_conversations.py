"""Scripted conversations with the embedded model and turn-taking on, one per overlap class."""

import numpy as np
import pytest

from voiceagent.scenes import make_script, render
from voiceagent.serving.config import EngineConfig, ObserveConfig
from voiceagent.serving.engine import Engine

pytestmark = pytest.mark.slow

CLASSES = ("pause", "interruption", "backchannel", "talk_to_others", "background_speech")
#: Scenes that the model understands; how often it does is benchmarks/bench_fdb.py's.
SEED = 907


@pytest.fixture(scope="module")
def calls(nano, nano_codec, nano_decoder):
    """The frames of one conversation of each class, held side by side."""
    config = EngineConfig(
        num_slots=len(CLASSES), policy="on", observe=ObserveConfig(wait_ms=10_000)
    )
    engine = Engine(nano_codec, nano_decoder, nano.tokenizer(), config)
    calls = {name: [] for name in CLASSES}
    sessions = {engine.open_session(): name for name in CLASSES}
    waiting = {session: sound(name) for session, name in sessions.items()}
    while waiting:
        for session in list(waiting):
            if (frame := next(waiting[session], None)) is None:
                del waiting[session]
            else:
                session.push(frame)
        for answer in engine.step():
            calls[sessions[answer.session]].append(answer)
    return calls


def sound(name):
    """The user's frames: iterator of float32 [1920]."""
    pcm = render(make_script(name, SEED)).user
    return iter(pcm[: len(pcm) // 1920 * 1920].astype(np.float32).reshape(-1, 1920))


def decisions(frames):
    return [frame.turn["row"]["decision"] for frame in frames]


def words_in(frames, *states):
    """What the model understood while turn-taking was in these states."""
    pairs = zip(frames, decisions(frames), strict=True)
    return [frame.heard for frame, now in pairs if now["state"] in states and frame.heard]


def test_pause_in_a_turn_is_not_spoken_into(calls):
    frames = calls["pause"]
    states = [now["state"] for now in decisions(frames)]
    resumed = [now["reason"] for now in decisions(frames)].index("user_resumes")
    assert "user_pause" in states[:resumed]
    assert not any(frame.said for frame in frames[:resumed])
    assert "speak" in states[resumed:]


def test_interrupted_agent_yields_within_ten_frames_and_answers_afterwards(calls):
    frames = calls["interruption"]
    states = [now["state"] for now in decisions(frames)]
    yielded = states.index("yield")
    assert yielded - states.index("overlap") <= 10
    hushed = [frame.is_flush for frame in frames].index(True)
    assert states.index("overlap") < hushed <= yielded
    assert not any(frame.pcm.any() for frame in frames[hushed + 1 : yielded + 2])
    assert "speak" in states[yielded:]
    assert any(frame.said for frame in frames[yielded:])


def test_agent_that_is_told_uh_huh_finishes(calls):
    frames = calls["backchannel"]
    assert "backchannel" in [now["reason"] for now in decisions(frames)]
    assert "yield" not in [now["state"] for now in decisions(frames)]
    said = "".join(frame.said or "" for frame in frames).strip()
    assert said == "i can add numbers and tell you our opening hours"


@pytest.mark.parametrize("name", ["talk_to_others", "background_speech"])
def test_speech_that_is_not_for_the_agent_does_not_reach_it(calls, name):
    frames = calls[name]
    assert "not_addressed" in [now["reason"] for now in decisions(frames)]
    assert frames[-1].generation == 0
    assert not words_in(frames, "overlap")
