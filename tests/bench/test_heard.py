"""Listening to several recordings at once, and what a judge of our own scenes goes by."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from voiceagent.bench.annotation import Annotation
from voiceagent.bench.builtin import BUILTIN
from voiceagent.bench.folder import RunFolder, State
from voiceagent.bench.heard import Heard, hear, overlap_texts
from voiceagent.bench.stages import begin, plan_run
from voiceagent.bench.suite import Sample
from voiceagent.errors import BenchError
from voiceagent.scenes import Expected, Scene

TASKS = {task.name: task for task in BUILTIN}


@pytest.fixture
def played(tmp_path, make_data, annotations, bursts):
    """Three recordings of other lengths; in the n-th the agent speaks from second n on."""
    data = make_data({"candor_turn_taking": dict.fromkeys("123", annotations["turn"])})
    folder = RunFolder(tmp_path / "run")
    samples = begin(folder, plan_run("fdb-v1", data, {}, {}))
    for seconds, sample in enumerate(samples, 1):
        path = folder.inside(sample.key, "output.wav")
        path.parent.mkdir(parents=True)
        soundfile.write(sample.input_path(), np.zeros(24_000 * (seconds + 2)), 24_000)
        soundfile.write(path, bursts(seconds + 2, (seconds, seconds + 1)), 24_000)
        folder.set_state(sample.key, "", State("done"))
    return folder, samples


def test_recordings_of_other_lengths_are_heard_at_once_as_alone(played, loud_finder):
    folder, samples = played
    together = hear(folder, samples, loud_finder)
    alone = [found for s in samples for found in hear(folder, [s], loud_finder)]
    assert [heard.agent_spans for heard in together] == [heard.agent_spans for heard in alone]
    starts = [heard.agent[0][0] for heard in together]
    assert starts == [pytest.approx(n, abs=0.1) for n in (1, 2, 3)]


def test_one_that_cannot_be_read_leaves_the_others_in_their_places(played, loud_finder):
    folder, samples = played
    folder.inside(samples[1].key, "output.wav").write_bytes(b"RIFF")
    first, failed, third = hear(folder, samples, loud_finder)
    assert (first.sample.id, third.sample.id) == ("1", "3")
    assert third.agent[0][0] == pytest.approx(3, abs=0.1)
    assert "cannot be read" in str(failed)


def test_sound_on_another_clock_is_refused(played, loud_finder, bursts):
    folder, samples = played
    soundfile.write(folder.inside(samples[0].key, "output.wav"), bursts(2), 24_000)
    (failed,) = hear(folder, samples[:1], loud_finder)
    assert isinstance(failed, BenchError)
    assert "both must be on one clock" in str(failed)


def test_a_damaged_transcript_fails_its_own_recording(played, loud_finder):
    folder, samples = played
    folder.inside(samples[2].key, "output.json").write_text("[]")
    found = hear(folder, samples, loud_finder)
    assert [isinstance(each, Heard) for each in found] == [True, True, False]


def test_a_judge_of_an_overlap_gets_both_sides_of_it(words):
    scene = Scene(
        id="s",
        scene_class="talk_to_others",
        seed=0,
        duration_ms=9040,
        events=(),
        expected=Expected(answers=("two plus two is four",)),
    )
    overlap = {"overlap": (4.0, 5.0), "overlap_text": "did you feed the cat"}
    sample = Sample(
        task=TASKS["talking_to_other"],
        id="1",
        folder=Path(),
        annotation=Annotation(scene=scene, **overlap),
    )
    texts = overlap_texts(sample, words(("two", 3.0, 3.2), ("plus", 3.4, 3.6), ("four", 4.5, 4.8)))
    assert (texts["before"], texts["said"]) == ("two plus", "four")
    assert (texts["overlap"], texts["answer"]) == (overlap["overlap_text"], "two plus two is four")
