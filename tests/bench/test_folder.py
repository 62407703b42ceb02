"""A run on disk: whole files or none, and the same run or an error."""

import dataclasses
import json
import os

import pytest

from voiceagent.bench import folder as module
from voiceagent.bench.folder import DONE, FAILED, Plan, Recognised, RunFolder, State, check_apart
from voiceagent.errors import BenchError

PLAN = Plan(suite="fdb-v1", data="/data", keys=("a/1", "a/2"), target={"target": "scripted"})


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.begin(PLAN)
    return folder


def test_a_plan_is_what_was_begun(run):
    assert RunFolder(run.path).plan() == PLAN


def test_beginning_the_same_run_again_goes_on(run):
    run.begin(PLAN)


@pytest.mark.parametrize(
    ("field", "value"), [("target", {}), ("keys", ("a/1",)), ("suite", "builtin"), ("data", "/b")]
)
def test_another_run_in_the_same_folder_is_refused_by_what_differs(run, field, value):
    with pytest.raises(BenchError, match=f"another {field}; name another --out"):
        run.begin(dataclasses.replace(PLAN, **{field: value}))


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(BenchError, match="not empty"):
        RunFolder(tmp_path).begin(PLAN)


def test_a_folder_without_a_run_and_a_broken_plan_are_named(tmp_path):
    with pytest.raises(BenchError, match="voiceagent bench run"):
        RunFolder(tmp_path).plan()
    for text in ("[]", '{"schema": 1}', '{"schema": 9, "keys": []}', "{"):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(BenchError, match=r"run\.json"):
            RunFolder(tmp_path).plan()


def test_states_words_and_transcripts_survive(run, words):
    said = words((1.0, 1.5))
    run.set_own_words("a/1", "clean_", said)
    run.set_recognised("a/1", "", Recognised(words=said, source={"recogniser": "x"}))
    run.set_state("a/1", "", State(DONE, duration_s=2.0))
    assert run.own_words("a/1", "clean_") == said
    assert run.recognised("a/1") == Recognised(words=said, source={"recogniser": "x"})
    assert run.state("a/1") == State(DONE, duration_s=2.0)


def test_what_is_not_there_is_nothing(run):
    assert run.state("a/2") is run.own_words("a/2") is run.recognised("a/2") is None


def test_a_transcript_has_the_official_shape(run, words):
    run.set_recognised("a/1", "", Recognised(words=words(("hi", 1.0, 1.5)), source={}))
    document = json.loads(run.inside("a/1", "output.json").read_text())
    assert document["chunks"] == [{"text": "hi", "timestamp": [1.0, 1.5]}]


def test_a_state_of_another_shape_is_named(run):
    run.write("a/1/output.state.json", {"state": FAILED})
    with pytest.raises(BenchError, match=r"output\.state\.json: is no state"):
        run.state("a/1")


def test_a_write_that_is_cut_short_leaves_what_was_there(run, monkeypatch):
    run.write("summary.json", {"n": 1})
    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run.write("summary.json", {"n": 2})
    assert json.loads((run.path / "summary.json").read_text()) == {"n": 1}
    assert sorted(path.name for path in run.path.iterdir()) == ["run.json", "summary.json"]


def test_a_write_that_the_disk_refuses_is_one_error(run, monkeypatch):
    def refuse(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "whole_file", refuse)
    with pytest.raises(BenchError, match=r"cannot be written.*No space"):
        run.write("summary.json", {})


def test_a_run_in_its_data_is_refused_but_beside_it_is_not(tmp_path):
    check_apart(tmp_path / "run", tmp_path / "data")
    for inside in (tmp_path / "data", tmp_path / "data" / "a"):
        with pytest.raises(BenchError, match="never written to"):
            check_apart(inside, tmp_path / "data")
