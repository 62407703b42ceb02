"""The command line of the bench: stages, exit codes, one line for what is wrong."""

import json

import numpy as np
import pytest
import soundfile

from voiceagent.cli.main import main

TASK = "candor_turn_taking"


@pytest.fixture
def stored(tmp_path):
    """An official-looking set of two recordings, and a stored run of it."""
    rng = np.random.default_rng(0)
    for sample in ("1", "2"):
        for side, folder in (("input", "data"), ("output", "outputs")):
            path = tmp_path / folder / TASK / sample
            path.mkdir(parents=True)
            pcm = 0.01 * rng.standard_normal(32_000)
            soundfile.write(path / f"{side}.wav", pcm, 16_000)
        turn = [{"timestamp": [1.0, 1.2]}]
        (tmp_path / "data" / TASK / sample / "turn_taking.json").write_text(json.dumps(turn))
        words = {"chunks": [{"text": "hello", "timestamp": [1.25, 1.9]}] * 4}
        (tmp_path / "outputs" / TASK / sample / "output.json").write_text(json.dumps(words))
    return tmp_path


def bench(*arguments):
    return main(["bench", *map(str, arguments)])


def run_stored(path, *arguments, out="run"):
    outputs = path / "outputs"
    options = ("--data", path / "data", "--target", f"replay:{outputs}", "--out", path / out)
    return bench("run", "fdb-v1", *options, "--asr", f"given:{outputs}", *arguments)


def test_a_stored_run_is_scored_and_reported(stored, capsys):
    assert run_stored(stored) == 0
    said = capsys.readouterr().out
    assert "fdb-v1: all 2 recordings scored.  rules: corrected" in said
    assert "* Latency, s" in said
    assert "0.250" in said
    assert (stored / "run" / "report.html").read_text().startswith("<!doctype html>")


def test_every_stage_can_be_called_alone(stored, capsys):
    assert run_stored(stored, "--only-play") == 0
    run, page = stored / "run", stored / "page.html"
    assert not (run / "summary.json").exists()
    assert bench("asr", run, "--asr", f"given:{stored / 'outputs'}") == 0
    assert bench("score", run, "--compat", "upstream@PR12") == 0
    assert json.loads((run / "summary.json").read_text())["rules"] == "upstream@PR12"
    assert bench("report", run, "--output", page) == 0
    assert page.is_file()


def test_two_runs_are_compared_and_what_differs_is_named(stored, capsys):
    run_stored(stored)
    run_stored(stored, "--compat", "upstream@PR12", out="other")
    capsys.readouterr()
    assert bench("compare", stored / "run", stored / "other") == 0
    said = capsys.readouterr().out
    assert "not comparable: rules: corrected against upstream@PR12" in said
    assert "+0.000" in said


def test_a_partial_run_has_an_exit_code_of_its_own(stored, capsys):
    (stored / "outputs" / TASK / "2" / "output.wav").unlink()
    assert run_stored(stored) == 1
    said = capsys.readouterr().out
    assert "Partial: 1 of 2 recordings" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "fdb-v1"), "needs --data"),
        (("run", "fdb-v1", "--data", "/no/such/folder", "--target", "replay:/"), "no such folder"),
        (("run", "fdb-v1", "--target", "siri"), "there is no target 'siri'"),
        (("score", "/no/such/run"), "holds no run"),
        (("score", ".", "--compat", "mine"), "there are no rules 'mine'"),
        (("asr", "/no/such/run"), "holds no run"),
        (("compare", "/no/such/run", "."), "is not scored"),
        (("run", "builtin", "--target", "ws://127.0.0.1:9"), "9: cannot be reached"),
        (("run", "builtin", "--target", "webrtc+http://127.0.0.1:9"), "9: cannot be reached"),
        (("run", "builtin", "--asr", "siri"), "there is no recogniser 'siri'"),
        (("run", "builtin", "--judge", "http://x/v1"), "tagged by a rule"),
        (("run", "fdb-v1", "--judge", "http://x/v1"), "--judge needs --upstream"),
        (("judge", "/no/such/run"), "name a judge"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if arguments[:2] == ("run", "fdb-v1") and "--target" not in arguments:
        arguments = (*arguments, "--target", f"replay:{tmp_path}")
    if arguments[0] == "run" and "--asr" not in arguments:
        arguments = (*arguments, "--asr", "none")  # else Whisper is loaded first
    assert bench(*arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("voiceagent: error: ")
    assert said in error
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suite_lists_those_there_are(capsys):
    with pytest.raises(SystemExit):
        bench("run", "fdb-v9")
    assert "fdb-v1.5" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--limit", "--n"])
def test_a_number_of_recordings_is_at_least_one(flag, capsys):
    with pytest.raises(SystemExit):
        bench("run", "builtin", flag, 0)
    assert "at least 1" in capsys.readouterr().err


def test_help_teaches_the_stages(capsys):
    with pytest.raises(SystemExit):
        bench("--help")
    said = capsys.readouterr().out
    for text in ("fdb-v1 --data", "--compat upstream@d7336bd", "compare RUN OTHER", "only read"):
        assert text in said


def test_a_judge_gives_ratings_and_is_asked_once(stored, upstream, judge_server, capsys):
    (stored / "data" / TASK).rename(stored / "data" / "synthetic_user_interruption")
    (stored / "outputs" / TASK).rename(stored / "outputs" / "synthetic_user_interruption")
    for sample in ("1", "2"):
        event = [{"context": "a", "interrupt": "b", "timestamp": [0.5, 1.0]}]
        path = stored / "data" / "synthetic_user_interruption" / sample / "interrupt.json"
        path.write_text(json.dumps(event))
    server = judge_server("Why: so.\nScore is 4")
    judge = ("--judge", server.url, "--judge-model", "m", "--upstream", upstream)
    assert run_stored(stored, *judge) == 0
    assert "Rating, 0 to 5" in capsys.readouterr().out
    assert bench("judge", stored / "run", *judge, "--asr", "none") == 0
    assert len(server.asked) == 2
    page = (stored / "run" / "report.html").read_text()
    assert "<dt>Judge</dt><dd>m</dd>" in page
