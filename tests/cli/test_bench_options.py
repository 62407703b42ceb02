"""What the bench's flags become."""

import argparse

import pytest

from voiceagent.bench.judge import KEY_VARIABLE
from voiceagent.cli.bench_options import (
    add_judge_arguments,
    add_run_arguments,
    add_upstream_argument,
    data_of,
    default_processes,
    open_judge_of,
    playing_processes,
    target_options_of,
)
from voiceagent.errors import ConfigError


def judge_options(*arguments):
    parser = argparse.ArgumentParser()
    add_judge_arguments(parser)
    add_upstream_argument(parser)
    return parser.parse_args(arguments)


def run_options(*arguments):
    parser = argparse.ArgumentParser()
    add_run_arguments(parser)
    return parser.parse_args(arguments)


def test_no_judge_is_asked_for_by_default():
    assert open_judge_of(judge_options()) is None


def test_a_judges_key_comes_from_the_environment_alone(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    flags = ("--judge", "http://x/v1", "--judge-model", "m", "--judge-seed", "3")
    judge = open_judge_of(judge_options(*flags, "--upstream", "."))
    assert (judge.config.key, judge.config.seed) == ("secret", 3)
    judge.close()


def test_a_judge_needs_the_official_questions():
    with pytest.raises(ConfigError, match="--upstream DIR"):
        open_judge_of(judge_options("--judge", "http://x/v1", "--judge-model", "m"))


def test_an_official_suite_needs_its_data(tmp_path):
    with pytest.raises(ConfigError, match="needs --data"):
        data_of(run_options("fdb-v1"), tmp_path)


def test_scenes_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no siri"):
        data_of(run_options("builtin", "--tasks", "siri"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_model_in_process_takes_turns_as_it_is_served():
    session = target_options_of(run_options("builtin")).in_process.session
    assert session == {"policy": "on"}
    assert target_options_of(run_options("builtin", "--model", "m")).in_process.session == {
        "policy": "shadow"
    }
    session = target_options_of(run_options("builtin", "--policy", "off")).in_process.session
    assert session == {"policy": "off"}


@pytest.mark.parametrize(
    ("flags", "processes"),
    [
        ((), default_processes()),
        (("--target", "cascade"), default_processes()),
        (("--model", "m"), 1),
        (("--model", "m", "--processes", "3"), 3),
        (("--target", "ws://localhost:1", "--processes", "3"), 1),
    ],
)
def test_only_what_computes_here_is_shared_and_only_small_models_unasked(flags, processes):
    assert playing_processes(run_options("builtin", *flags)) == processes
