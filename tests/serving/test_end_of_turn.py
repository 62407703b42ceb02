"""Smart Turn on real speech, and its features against those it was shipped with."""

import numpy as np
import pytest
import soxr

from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.serving.end_of_turn import SmartTurn


@pytest.fixture(scope="module")
def smart_turn():
    return SmartTurn()


@pytest.fixture(scope="module")
def question():
    return soxr.resample(read_wav(QUESTION).pcm, 24_000, 16_000).astype(np.float32)


def test_a_whole_question_is_over_and_half_of_it_is_not(smart_turn, question):
    loud = np.flatnonzero(np.abs(question) > 0.02)
    start, end = loud[0], loud[-1]
    whole = smart_turn.probability(question[: end + 1600])
    half = smart_turn.probability(question[: start + (end - start) // 2])
    assert whole > 0.5 > half


def test_only_the_last_eight_seconds_count(smart_turn, question):
    padded = np.concatenate((np.ones(50_000, np.float32), np.zeros(128_000, np.float32), question))
    silent = np.concatenate((np.zeros(128_000, np.float32), question))
    assert smart_turn.probability(padded) == smart_turn.probability(silent)


def test_silence_is_no_fault(smart_turn):
    assert 0 <= smart_turn.probability(np.zeros(0, np.float32)) <= 1


@pytest.mark.slow
def test_the_features_are_those_of_pipecat(smart_turn):
    features = pytest.importorskip("pipecat.audio.turn.smart_turn._whisper_features")
    pcm = np.random.default_rng(2).normal(0, 0.1, 128_000).astype(np.float32)
    expected = features.compute_whisper_log_mel_features(pcm)
    assert np.allclose(smart_turn._log_mel(pcm), expected, atol=1e-6)
