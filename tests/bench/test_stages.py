"""Whole runs: kill and resume, same numbers twice, and four caricatures that get their deserts."""

import json

import numpy as np
import pytest

from voiceagent.bench.builtin import BUILTIN, BuiltinConfig, speak_scenes
from voiceagent.bench.folder import Recognised, RunFolder
from voiceagent.bench.recognise import OwnText, recognise_samples
from voiceagent.bench.runner import play_samples
from voiceagent.bench.stages import (
    ROWS,
    SUMMARY,
    begin,
    plan_run,
    read_rows,
    read_summary,
    score_run,
)
from voiceagent.bench.summary import columns_of
from voiceagent.bench.transcript import TimedWord
from voiceagent.errors import BenchError
from voiceagent.scenes import speaker
from voiceagent.scenes.folder import read_annotation

RATE_HZ = 24_000
TASK = "candor_turn_taking"


def run_all(path, data, suite, target):
    """Play, recognise and score what is left; returns the folder."""
    folder = RunFolder(path)
    samples = begin(folder, plan_run(suite, data, target.facts, {}))
    play_samples(folder, samples, target, lambda seconds: None, lambda *failure: None)
    recognise_samples(folder, samples, OwnText(), lambda: None, lambda *failure: None)
    score_run(folder)
    return folder


@pytest.fixture
def data(make_data, annotations):
    return make_data({TASK: dict.fromkeys(("1", "2", "3"), annotations["turn"])})


@pytest.fixture
def chatty(scripted, words):
    """Says four words a little later in each recording than in the one before."""

    def answer(call):
        start_s = 1.0 + int(call.key.split("/")[1]) / 10
        said = words(*[(start_s + i / 10, start_s + (i + 1) / 10) for i in range(4)])
        return np.zeros(len(call.user), np.float32), said

    return lambda **options: scripted(answer, **options)


def results(folder):
    return (folder.path / SUMMARY).read_text(), (folder.path / ROWS).read_text()


@pytest.mark.parametrize("dies_after", [0, 1, 2])
def test_a_run_that_was_killed_comes_to_the_same_numbers(tmp_path, data, chatty, dies_after):
    whole = run_all(tmp_path / "whole", data, "fdb-v1", chatty())
    with pytest.raises(KeyboardInterrupt):
        run_all(tmp_path / "cut", data, "fdb-v1", chatty(dies_after=dies_after))
    cut = run_all(tmp_path / "cut", data, "fdb-v1", chatty())
    assert results(cut) == results(whole)
    numbers = read_summary(whole)["tasks"][TASK]["numbers"]
    assert numbers["latency_s"]["value"] == pytest.approx(0.2)


def test_a_run_that_was_not_finished_is_never_whole(tmp_path, data, chatty):
    with pytest.raises(KeyboardInterrupt):
        run_all(tmp_path / "cut", data, "fdb-v1", chatty(dies_after=2))
    summary = score_run(RunFolder(tmp_path / "cut"))
    assert (summary["is_whole"], summary["tasks"][TASK]["scored"]) == (False, 2)


def test_a_recording_that_has_gone_from_the_data_is_not_forgotten(tmp_path, data, chatty):
    folder = run_all(tmp_path / "run", data, "fdb-v1", chatty())
    (data / TASK / "2").rename(data / "2")
    assert score_run(folder)["is_whole"] is False
    assert [row["status"] for row in read_rows(folder)] == ["done", "failed", "done"]


def test_words_say_where_they_come_from(tmp_path, data, chatty):
    folder = run_all(tmp_path / "run", data, "fdb-v1", chatty())
    assert [source["recogniser"] for source in read_summary(folder)["words_from"]] == ["own text"]


def test_a_run_that_was_not_scored_says_what_to_do(tmp_path, data, chatty):
    folder = RunFolder(tmp_path / "run")
    begin(folder, plan_run("fdb-v1", data, {}, {}))
    with pytest.raises(BenchError, match="voiceagent bench score"):
        read_rows(folder)


def test_a_summary_of_another_version_says_what_to_do(tmp_path, data, chatty):
    folder = run_all(tmp_path / "run", data, "fdb-v1", chatty())
    folder.write(SUMMARY, {**read_summary(folder), "schema": 1})
    with pytest.raises(BenchError, match="score' once more"):
        read_summary(folder)


def test_a_run_in_its_data_is_refused(data):
    with pytest.raises(BenchError, match="never written to"):
        begin(RunFolder(data / "run"), plan_run("fdb-v1", data, {}, {}))


# Caricatures: each is asked on every axis, with real speech and the real detector.


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    pytest.importorskip("hibari")
    path = tmp_path_factory.mktemp("bench") / "scenes"
    speak_scenes(path, BuiltinConfig(count=2), lambda: None)
    return path


@pytest.fixture(scope="module")
def monologue():
    """About ten seconds of speech that answers nothing, with its words."""
    spoken = speaker("hibari:heart").say("there was once a man who lived by the sea")
    pcm = [np.zeros(0, np.float32)]
    words = []
    for turn in range(8):
        offset_s = turn * spoken.duration_ms / 1000
        pcm.append(spoken.pcm)
        words += [
            TimedWord(w.text, offset_s + w.start_ms / 1000, offset_s + w.end_ms / 1000)
            for w in spoken.words
        ]
    return np.concatenate(pcm), tuple(words)


def placed(call, monologue, start_s, duration_s):
    """The monologue from a moment on, for so long, in a reply as long as the call."""
    pcm, words = monologue
    reply = np.zeros(len(call.user), np.float32)
    start, length = round(start_s * RATE_HZ), round(duration_s * RATE_HZ)
    room = reply[start : start + length]
    room[:] = pcm[: len(room)]
    until_s = min(duration_s, len(room) / RATE_HZ)
    said = tuple(
        TimedWord(w.text, w.start_s + start_s, w.end_s + start_s)
        for w in words
        if w.end_s <= until_s
    )
    return reply, said


def scene_of(call, scenes):
    return read_annotation(scenes / call.key.rpartition("/")[0])


def at_once(call, scenes, monologue):
    """Talks as soon as there is a sound, for three seconds."""
    spoken = [e for e in scene_of(call, scenes).events if e.channel != "agent"]
    if not spoken:
        return np.zeros(len(call.user), np.float32), ()
    return placed(call, monologue, spoken[0].start_ms / 1000 + 0.1, 3.0)


def never(call, scenes, monologue):
    return np.zeros(len(call.user), np.float32), ()


def echo(call, scenes, monologue):
    """Gives back what it hears, 80 ms later."""
    words = [w for e in scene_of(call, scenes).events if e.channel != "agent" for w in e.words]
    said = [TimedWord(w.text, w.start_ms / 1000 + 0.08, w.end_ms / 1000 + 0.08) for w in words]
    reply = np.roll(call.user, 1920)
    reply[:1920] = 0
    return reply, tuple(sorted(said, key=lambda word: word.start_s))


def without_end(call, scenes, monologue):
    return placed(call, monologue, 0.0, len(call.user) / RATE_HZ)


@pytest.fixture(scope="module")
def deserts(scenes, monologue, scripted, tmp_path_factory):
    """Of each caricature, task -> column -> value."""
    found = {}
    for caricature in (at_once, never, echo, without_end):
        target = scripted(
            lambda call, answer=caricature: answer(call, scenes, monologue),
            facts={"target": caricature.__name__},
        )
        path = tmp_path_factory.mktemp("bench") / caricature.__name__
        tasks = read_summary(run_all(path, scenes, "builtin", target))["tasks"]
        found[caricature] = {
            name: {column: number["value"] for column, number in task["numbers"].items()}
            for name, task in tasks.items()
        }
    return found


OVERLAPS = ("user_backchannel", "talking_to_other", "background_speech")


#: Of each task and column what each deserves: at once, never, echo, without end; ... is either.
DESERVED = {
    "pause_handling": {"good": (0, 0, 0, 0), "tor": (1, 0, ..., 1), "right": (0, 0, 0, 0)},
    "agent_backchannel": {"good": (0, 1, 0, 0), "tor": (1, 0, 1, 1), "jsd": (1, 1, 1, 1)},
    "smooth_turn_taking": {"good": (0, 0, 0, 0), "tor": (1, 0, ..., 1), "right": (0, 0, 0, 0)},
    "user_interruption": {
        "good": (0, None, None, 0),
        "tor": (0, 0, 0, 1),
        "respond": (0, 0, 0, 0),
        "right": (0, 0, 0, 0),
        "not_exercised": (0, 1, 1, 0),
    },
    **{
        task: {
            "good": (..., None, None, 1),  # it does speak through it
            "resume": (0, 0, 0, 0),
            "respond": (0, 0, 0, 0),
            "right": (0, 0, 0, 0),
            "right_censored": (0, 0, ..., 1),
        }
        for task in OVERLAPS
    },
    "noise": {"good": (0, 1, 1, 0), "tor": (1, 0, 0, 1)},
    "silence": {"good": (1, 1, 1, 0), "tor": (0, 0, 0, 1)},
}


@pytest.mark.slow
@pytest.mark.parametrize("task", DESERVED)
def test_every_caricature_gets_what_it_deserves(deserts, task):
    for column, expected in DESERVED[task].items():
        for caricature, value in zip(deserts, expected, strict=True):
            if value is not ...:
                assert deserts[caricature][task][column] == value, (column, caricature.__name__)


def test_every_axis_is_looked_at():
    columns = {task.name: columns_of(task.axes) for task in BUILTIN}
    assert set(DESERVED) == set(columns)
    for task, expected in DESERVED.items():
        assert set(expected) <= {column.name for column in columns[task]}


@pytest.mark.slow
def test_no_caricature_is_good_at_everything(deserts):
    for caricature, tasks in deserts.items():
        goods = [task["good"] for task in tasks.values()]
        assert min(good for good in goods if good is not None) == 0, caricature


@pytest.mark.slow
def test_one_that_never_answers_holds_pauses_and_takes_no_turn(deserts):
    tasks = deserts[never]
    assert tasks["pause_handling"]["tor"] == tasks["smooth_turn_taking"]["tor"] == 0
    assert tasks["pause_handling"]["good"] == tasks["smooth_turn_taking"]["good"] == 0
    assert tasks["user_interruption"]["tor"] == 0
    assert (tasks["agent_backchannel"]["tor"], tasks["agent_backchannel"]["jsd"]) == (0, 1)
    assert tasks["noise"]["good"] == tasks["silence"]["good"] == 1
    for name in ("user_interruption", *OVERLAPS):
        assert (tasks[name]["not_exercised"], tasks[name]["good"]) == (1, None)
        assert tasks[name]["unknown"] == 1


@pytest.mark.slow
def test_one_that_answers_at_once_has_takeovers_everywhere_and_is_called_early(deserts):
    tasks = deserts[at_once]
    for name in ("pause_handling", "agent_backchannel", "smooth_turn_taking"):
        assert (tasks[name]["tor"], tasks[name]["spoke_before_turn_end"]) == (1, 1), name
        assert tasks[name]["good"] == 0, name
    assert tasks["smooth_turn_taking"]["latency_s"] == 0
    assert tasks["silence"]["good"] == 1


@pytest.mark.slow
def test_one_that_talks_without_end_is_fast_officially_and_called_what_it_is(deserts):
    tasks = deserts[without_end]
    assert tasks["smooth_turn_taking"]["tor"] == tasks["user_interruption"]["tor"] == 1
    assert tasks["smooth_turn_taking"]["latency_s"] == 0
    assert tasks["user_interruption"]["latency_s"] < 0.5
    for name in ("pause_handling", "smooth_turn_taking", "user_interruption", "silence"):
        assert (tasks[name]["good"], tasks[name]["right_censored"]) == (0, 1), name
    for name in ("user_interruption", *OVERLAPS):
        assert (tasks[name]["talked_through"], tasks[name]["respond"]) == (1, 0), name
    assert tasks["agent_backchannel"]["tor"] == 1


@pytest.mark.slow
def test_an_echo_takes_over_but_answers_nothing(deserts):
    tasks = deserts[echo]
    assert tasks["smooth_turn_taking"]["spoke_before_turn_end"] == 1
    assert tasks["smooth_turn_taking"]["good"] == tasks["pause_handling"]["good"] == 0
    assert tasks["agent_backchannel"]["tor"] == 1
    for name in ("user_interruption", *OVERLAPS):
        assert (tasks[name]["respond"], tasks[name]["talked_through"]) == (0, 0), name


@pytest.mark.slow
def test_an_answer_is_right_by_the_targets_own_words_whatever_was_recognised(
    scenes, scripted, tmp_path
):
    def by_heart(call):
        answers = scene_of(call, scenes).expected.answers[-1:]
        said = " ".join(answers).split()
        words = tuple(TimedWord(w, 1 + i / 10, 1.1 + i / 10) for i, w in enumerate(said))
        return np.zeros(len(call.user), np.float32), words

    folder = run_all(tmp_path / "run", scenes, "builtin", scripted(by_heart))
    for key in folder.plan().keys:
        folder.set_recognised(key, "", Recognised(words=(), source={}))
    tasks = score_run(folder)["tasks"]
    assert tasks["smooth_turn_taking"]["numbers"]["right"]["value"] == 1
    assert tasks["user_interruption"]["numbers"]["right"]["value"] == 1


@pytest.mark.slow
def test_the_rows_of_a_real_run_are_plain_json(scenes, monologue, scripted, tmp_path):
    target = scripted(lambda call: at_once(call, scenes, monologue))
    folder = run_all(tmp_path / "run", scenes, "builtin", target)
    rows = [json.loads(line) for line in (folder.path / ROWS).read_text().splitlines()]
    assert len(rows) == len(read_summary(folder)["tasks"]) * 2
