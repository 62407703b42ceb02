import json

import numpy as np
import pytest
import soundfile

from voiceagent.cli import main
from voiceagent.cli.talk import QUESTION, transcript_lines
from voiceagent.serving.playback import SaidWord


def run(capsys, *arguments):
    code = main(["talk", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_talk_answers_the_shipped_question(capsys, tmp_path):
    answer = tmp_path / "answer.wav"
    code, out, _ = run(capsys, QUESTION, answer)
    assert code == 0
    assert "heard  what is three plus four" in out
    assert "said   three plus four is seven" in out
    pcm, rate_hz = soundfile.read(answer)
    assert rate_hz == 24_000
    assert np.sqrt(np.mean(pcm**2)) > 0.01


@pytest.mark.slow
def test_talk_in_stereo_writes_the_user_left_and_the_agent_right(capsys, tmp_path):
    answer = tmp_path / "answer.wav"
    run(capsys, QUESTION, answer, "--stereo", "--wait", "2")
    pcm, _ = soundfile.read(answer)
    question, _ = soundfile.read(QUESTION)
    np.testing.assert_allclose(pcm[: len(question), 0], question, atol=2e-4)
    quiet = np.abs(pcm[: len(question) // 2, 1]).max()
    assert quiet < 0.02 < np.abs(pcm[len(question) :, 1]).max()


@pytest.mark.slow
def test_talk_as_json_gives_words_with_times(capsys, tmp_path):
    _, out, _ = run(capsys, QUESTION, tmp_path / "a.wav", "--json")
    document = json.loads(out)
    assert [word["text"] for word in document["said"]] == "three plus four is seven".split()
    times = [word["time_ms"] for word in document["said"]]
    assert times == sorted(times)
    assert document["frames"] > 60


@pytest.mark.slow
def test_talk_at_a_temperature_repeats_by_seed(capsys, tmp_path):
    def play(seed):
        path = tmp_path / "a.wav"
        run(capsys, QUESTION, path, "--temperature", "0.6", "--seed", seed, "--wait", "2")
        return soundfile.read(path)[0]

    first, again, other = play(1), play(1), play(2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "no such file"), (b"", "zero bytes"), (b"hello world" * 20, "not a sound file")],
)
def test_talk_with_an_unusable_recording_says_why_and_writes_nothing(
    capsys, tmp_path, content, problem
):
    path = tmp_path / "in.wav"
    if content is not None:
        path.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    code, out, err = run(capsys, path, tmp_path / "out.wav")
    assert (code, out) == (2, "")
    assert err.startswith("voiceagent: error: ")
    assert problem in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_talk_refuses_to_overwrite_its_recording(capsys, tmp_path):
    path = tmp_path / "in.wav"
    path.write_bytes(QUESTION.read_bytes())
    code, _, err = run(capsys, path, path)
    assert code == 2
    assert "would overwrite the input" in err
    assert path.read_bytes() == QUESTION.read_bytes()


def test_talk_with_an_unknown_model_says_what_to_give(capsys, tmp_path):
    code, _, err = run(capsys, QUESTION, tmp_path / "a.wav", "--model", tmp_path / "none")
    assert code == 2
    assert "--model takes 'nano', a hub id, or a folder" in err


def test_talk_with_a_damaged_checkpoint_names_the_file(capsys, tmp_path, nano):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in nano.path.iterdir():
        content = file.read_bytes()
        (folder / file.name).write_bytes(content[:1000] if "decoder" in file.name else content)
    code, _, err = run(capsys, QUESTION, tmp_path / "a.wav", "--model", folder)
    assert code == 2
    assert "decoder.safetensors: not a whole safetensors file" in err
    assert not (tmp_path / "a.wav").exists()


def test_talk_with_a_seed_out_of_range_says_so(capsys, tmp_path):
    code, _, err = run(capsys, QUESTION, tmp_path / "a.wav", "--seed", "-1")
    assert code == 2
    assert "seed must be 0" in err


def test_transcript_lines_group_words_by_speaker_and_pause():
    heard = [SaidWord("hello", 100), SaidWord("there", 400), SaidWord("again", 5000)]
    said = [SaidWord("hi", 900)]
    lines = transcript_lines(heard, said)
    assert [line.split("s  ", 1)[1].split() for line in lines] == [
        ["heard", "hello", "there"],
        ["said", "hi"],
        ["heard", "again"],
    ]


def test_transcript_lines_of_silence_say_so():
    assert "nothing was heard" in transcript_lines([], [])[0]


@pytest.mark.parametrize("output", [".", "/", "file/o.wav", "none/o.wav", "x" * 300])
def test_talk_with_an_unusable_output_says_so_before_it_computes(
    capsys, tmp_path, monkeypatch, output
):
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("voiceagent.cli.talk.load_engine", lambda options: pytest.fail("computed"))
    code, _, err = run(capsys, QUESTION, output)
    assert code == 2
    assert err.count("\n") == 1
    assert "folder" in err or "cannot be written" in err


def test_talk_with_a_name_too_long_says_so(capsys, tmp_path):
    code, _, err = run(capsys, tmp_path / ("x" * 300), tmp_path / "o.wav")
    assert code == 2
    assert "too long" in err


def test_talk_counts_every_frame_of_a_long_recording(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("voiceagent.serving.metrics.WINDOW_STEPS", 10)
    _, out, _ = run(capsys, QUESTION, tmp_path / "a.wav", "--wait", "1")
    assert out.count("35 frames of 80 ms") == 1 or out.count("36 frames of 80 ms") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"decoder": None},
        {"codec": 3},
        {"vocabulary": [1, 2]},
        {"codec": {"mel_bands": 0}},
    ],
)
def test_talk_with_a_bad_model_folder_is_one_line(capsys, tmp_path, nano, change):
    values = json.loads((nano.path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**values, **change}))
    code, _, err = run(capsys, QUESTION, tmp_path / "a.wav", "--model", tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert next(iter(change)) in err or "mel_bands" in err
