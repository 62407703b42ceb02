from pathlib import Path

import numpy as np
import pytest
import torch

from voiceagent.audio.wav import write_wav
from voiceagent.cli import main
from voiceagent.cli.voices import default_root


@pytest.fixture
def wav(tmp_path):
    time_s = np.arange(48_000) / 24_000
    write_wav(tmp_path / "anna.wav", 0.1 * np.sin(2 * np.pi * 220 * time_s).astype(np.float32))
    return tmp_path / "anna.wav"


@pytest.fixture
def run(capsys, tmp_path):
    def run(action, *arguments):
        code = main(["voices", action, *map(str, arguments), "--voices", str(tmp_path / "v")])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_recording_is_added_listed_and_removed(run, wav):
    assert run("add", "anna", wav)[1].startswith("registered 'anna': 2.0 s; ")
    assert run("list")[1].splitlines()[1].split()[:5] == ["anna", "2.0", "s", "sound", "anna.wav"]
    assert run("remove", "anna")[1] == "removed 'anna'\n"
    assert "no voices in" in run("list")[1]


def test_published_voice_is_converted(run, tmp_path):
    ring = torch.zeros(1, 17, 4, dtype=torch.int64)
    torch.save({"embeddings": torch.zeros(24, 1, 1, 4), "cache": ring}, tmp_path / "NATF0.pt")
    assert run("add", "NATF0", tmp_path / "NATF0.pt")[1] == "registered 'NATF0': 2.0 s\n"
    assert "embeddings" in run("list")[1]


def test_id_that_is_taken_is_replaced_only_when_asked(run, wav):
    run("add", "anna", wav)
    code, _, err = run("add", "anna", wav)
    assert (code, "--replace takes its place" in err) == (2, True)
    assert run("add", "anna", wav, "--replace")[0] == 0


@pytest.mark.parametrize(
    ("voice_id", "file", "says"),
    [
        ("../x", "anna.wav", "no id of a voice"),
        ("x", "none.wav", "no such file"),
        ("x", "none.pt", "no such file"),
    ],
)
def test_what_cannot_be_registered_is_one_line_and_exit_2(run, wav, voice_id, file, says):
    code, _, err = run("add", voice_id, wav.parent / file)
    assert (code, says in err, len(err.splitlines())) == (2, True, 1)


def test_help_shows_the_whole_way(capsys):
    with pytest.raises(SystemExit):
        main(["voices", "--help"])
    assert "voiceagent serve --model DIR --voice anna --role" in capsys.readouterr().out


def test_voices_lie_where_the_setting_says(monkeypatch):
    monkeypatch.setenv("VOICEAGENT_VOICES_DIR", "/v")
    assert default_root() == Path("/v")
    monkeypatch.delenv("VOICEAGENT_VOICES_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_root() == Path("/data/voiceagent/voices")
