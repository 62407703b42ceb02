"""Our own suite: layout, seeds, and when a listener would murmur."""

import json

import numpy as np
import pytest

from voiceagent.bench.annotation import read_interruption, read_overlap, read_pause, read_turn
from voiceagent.bench.builtin import (
    BUILTIN,
    BuiltinConfig,
    murmur_shares,
    official_files,
    people_of,
    speak_scenes,
)
from voiceagent.bench.suite import read_samples
from voiceagent.errors import BenchError
from voiceagent.scenes import SCENE_CLASSES
from voiceagent.scenes.utterance import SAMPLES_PER_MS, Utterance, Word


class ToneSpeaker:
    """Says every word as 200 ms of tone: speech without a synthesiser."""

    kind = "tone"

    def __init__(self, speaker_id):
        self.id = speaker_id

    def say(self, text, take=0):
        words = [Word(w, 250 * i, 250 * i + 200) for i, w in enumerate(text.split())]
        pcm = 0.3 * np.sin(np.arange(words[-1].end_ms * SAMPLES_PER_MS) * 0.1)
        return Utterance(pcm.astype(np.float32), tuple(words))


def speak(path, **settings):
    made = []
    config = BuiltinConfig(**{"count": 1, **settings})
    speak_scenes(path, config, lambda: made.append(1), ToneSpeaker)
    return {sample.task.name: sample for sample in read_samples(path, BUILTIN)}


@pytest.fixture
def samples(tmp_path):
    return speak(tmp_path / "scenes")


def test_every_class_of_scenes_is_a_task_and_murmurs_are_one_more(samples):
    assert len(samples) == len(SCENE_CLASSES) + 1
    assert not any(sample.fault for sample in samples.values())


def test_the_official_files_say_what_the_script_says(samples):
    pause, turn = samples["pause_handling"], samples["smooth_turn_taking"]
    stop, overlap = samples["user_interruption"], samples["talking_to_other"]
    assert read_pause(pause.folder).pauses == pause.annotation.pauses
    assert read_turn(turn.folder).turn_end_s == turn.annotation.turn_end_s
    assert read_interruption(stop.folder).overlap == stop.annotation.overlap
    assert read_overlap(overlap.folder).overlap_text == overlap.annotation.overlap_text != ""


def test_silence_has_nothing_to_annotate(samples):
    assert official_files(samples["silence"].annotation.scene) == {}


def test_the_same_seed_gives_the_same_scenes(samples, tmp_path):
    again = speak(tmp_path / "again")
    for name, sample in samples.items():
        for file in ("input.wav", "annotation.json"):
            assert (sample.folder / file).read_bytes() == (again[name].folder / file).read_bytes()


def test_scenes_that_are_there_are_not_spoken_again(samples, tmp_path):
    path = samples["silence"].folder / "input.wav"
    before = path.stat().st_mtime_ns
    speak(tmp_path / "scenes")
    assert path.stat().st_mtime_ns == before


def test_more_scenes_may_follow_but_no_others(samples, tmp_path):
    speak(tmp_path / "scenes", count=2)
    with pytest.raises(BenchError, match="other seeds"):
        speak(tmp_path / "scenes", seed=7)


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(BenchError, match="not empty"):
        speak(tmp_path)


def test_only_some_tasks_may_be_spoken(tmp_path):
    assert speak(tmp_path / "x", tasks=("silence",)).keys() == {"silence"}


def test_a_listener_murmurs_just_after_each_preamble(samples, tmp_path):
    sample = samples["agent_backchannel"]
    shares = murmur_shares(sample.annotation.scene)
    assert shares.sum() == pytest.approx(1)
    for part in sample.annotation.scene.of_kind("part"):
        assert shares[int((part.end_ms / 1000 + 0.25) / 0.2)] > 0.05
    question = sample.annotation.scene.of_kind("question")[0]
    assert shares[int((question.start_ms + 100) / 200)] < 0.01
    assert people_of(tmp_path / "scenes")["0"].tolist() == shares.tolist()
    assert people_of(tmp_path) == {}


@pytest.mark.parametrize(("field", "value"), [("count", 0), ("seed", -1), ("tasks", ("x",))])
def test_a_setting_that_cannot_be_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        BuiltinConfig(**{field: value})


def test_facts_are_plain_json():
    assert json.loads(json.dumps(BuiltinConfig().facts()))["count"] == 25
    assert BuiltinConfig(tasks=("silence", "noise")).num_scenes == 50
