import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from voiceagent.cli import main
from voiceagent.cli.talk import QUESTION


def run(capsys, *arguments):
    code = main(["codec", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_info_prints_rate_frame_and_both_code_spaces(capsys):
    code, out, _ = run(capsys, "info")
    assert code == 0
    for text in ("24000 Hz", "1920 samples = 80 ms", "4 x 256", "8 x 256", "carry no sound"):
        assert text in out


def test_encode_then_decode_gives_a_wav_of_the_same_frames(capsys, tmp_path):
    codes, sound = tmp_path / "codes.safetensors", tmp_path / "out.wav"
    assert run(capsys, "encode", QUESTION, codes)[0] == 0
    assert run(capsys, "decode", codes, sound)[0] == 0
    pcm, rate_hz = soundfile.read(sound)
    question = soundfile.info(QUESTION)
    assert rate_hz == 24_000
    assert len(pcm) % 1920 == 0
    assert 0 <= len(pcm) / rate_hz - question.duration < 0.08
    assert np.sqrt(np.mean(pcm**2)) > 0.01


def test_decode_of_user_codes_is_refused_by_name(capsys, tmp_path):
    codes = tmp_path / "codes.safetensors"
    run(capsys, "encode", "--side", "user", QUESTION, codes)
    code, _, err = run(capsys, "decode", codes, tmp_path / "out.wav")
    assert code == 2
    assert "cannot be turned back into sound" in err
    assert not (tmp_path / "out.wav").exists()


def test_decode_of_rubbish_says_so(capsys, tmp_path):
    (tmp_path / "x").write_bytes(b"rubbish")
    code, _, err = run(capsys, "decode", tmp_path / "x", tmp_path / "out.wav")
    assert code == 2
    assert "not a whole safetensors file" in err


def test_encode_into_a_missing_folder_says_so(capsys, tmp_path):
    code, _, err = run(capsys, "encode", QUESTION, tmp_path / "none" / "x.safetensors")
    assert code == 2
    assert "cannot be written" in err


def test_action_is_required(capsys):
    with pytest.raises(SystemExit):
        run(capsys)
    assert "ACTION" in capsys.readouterr().err


def test_encode_says_what_it_changed(capsys, tmp_path):
    path = tmp_path / "in.wav"
    soundfile.write(path, np.full((8000, 2), 0.1, np.float32), 8000)
    _, out, _ = run(capsys, "encode", path, tmp_path / "c.safetensors")
    assert "mixed 2 channels to mono" in out
    assert "resampled from 8000 Hz" in out


def test_encode_in_pieces_gives_the_codes_of_the_whole(capsys, tmp_path, monkeypatch):
    files = [tmp_path / "whole.safetensors", tmp_path / "pieces.safetensors"]
    run(capsys, "encode", "--side", "user", QUESTION, files[0])
    monkeypatch.setattr("voiceagent.cli.codec.PIECE_SAMPLES", 5 * 1920)
    run(capsys, "encode", "--side", "user", QUESTION, files[1])
    whole, pieces = (load_file(file)["codes"] for file in files)
    assert torch.equal(whole, pieces)


@pytest.mark.parametrize("action", ["encode", "decode"])
def test_output_that_is_the_input_is_refused(capsys, tmp_path, action):
    path = tmp_path / "x.wav"
    path.write_bytes(QUESTION.read_bytes())
    code, _, err = run(capsys, action, path, path)
    assert code == 2
    assert "would overwrite the input" in err
    assert path.read_bytes() == QUESTION.read_bytes()
