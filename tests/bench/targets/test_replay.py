"""Stored recordings as a target."""

import json

import numpy as np
import pytest
import soundfile

from voiceagent.bench.targets.base import Call, Failure
from voiceagent.bench.targets.replay import ReplayTarget
from voiceagent.errors import BenchError


@pytest.fixture
def store(tmp_path, noise):
    def put(inside, rate_hz=16_000, words=None):
        path = tmp_path / inside / "output.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, noise(2, rate_hz), rate_hz)
        if words is not None:
            path.with_suffix(".json").write_text(json.dumps(words))
        return ReplayTarget(tmp_path)

    return put


def outcome(target, key="pause/1/output"):
    seconds = []
    (found,) = target.converse([Call(key, np.zeros(48_000, np.float32))], seconds.append)
    assert seconds == [2.0]
    return found


@pytest.mark.parametrize("inside", ["pause/1", "1"])
def test_a_recording_is_found_with_or_without_its_tasks_folder(store, inside):
    found = outcome(store(inside))
    assert (len(found.agent), found.rate_hz) == (32_000, 16_000)


def test_its_words_come_with_it(store, words):
    document = {"chunks": [{"text": "hi", "timestamp": [0.5, 1.0]}]}
    assert outcome(store("pause/1", words=document)).words == words(("hi", 0.5, 1.0))


def test_without_a_transcript_it_tells_no_words(store):
    assert outcome(store("pause/1")).words is None


def test_a_missing_recording_fails_alone(store):
    found = outcome(store("pause/1"), "pause/2/output")
    assert isinstance(found, Failure)
    assert "pause/2/output.wav: there is no such recording" in found.reason


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(BenchError, match="no such folder"):
        ReplayTarget(tmp_path / "none")


def test_facts_name_the_folder(store, tmp_path):
    target = store("1")
    target.close()
    assert target.facts == {"target": "replay", "folder": str(tmp_path.resolve())}
