"""Pieces of a recording: before the overlap, after it, and the clean twin."""

import pytest

from voiceagent.bench.folder import Recognised, RunFolder
from voiceagent.bench.runner import play_samples
from voiceagent.bench.scorers import prosody
from voiceagent.bench.sound import Sound
from voiceagent.bench.stages import begin, plan_run
from voiceagent.bench.voice import AgentSound, pieces, read_clean

RATE_HZ = 16_000


@pytest.fixture
def agent(bursts, words):
    """Four words before the overlap's end at 3 s, two after it."""
    said = words((0.5, 1), (1, 1.5), (1.5, 2), (2, 2.5), (4, 5), (5, 6))
    return AgentSound(Sound(bursts(7, (0.5, 2.5), (4, 6), rate_hz=RATE_HZ), RATE_HZ), said)


def test_the_pace_before_and_after_is_that_of_the_words_there(agent, loud_finder):
    found = pieces(agent, None, 3.0, loud_finder)
    assert (found["pre"]["wpm"], found["post"]["wpm"]) == (120, 60)
    assert "clean" not in found


def test_the_twin_is_measured_whole(agent, loud_finder):
    assert pieces(agent, agent, 3.0, loud_finder)["clean"]["wpm"] == pytest.approx(6 / 5.5 * 60)


def test_with_praat_the_voice_is_measured_without_its_silences(agent, loud_finder):
    pytest.importorskip("parselmouth")
    found = pieces(agent, None, 3.0, loud_finder)
    assert found["pre"]["intensity_db"] == pytest.approx(found["post"]["intensity_db"], abs=1)


def test_without_praat_only_the_pace_is_known(agent, loud_finder, monkeypatch):
    monkeypatch.setattr(prosody, "is_praat_installed", lambda: False)
    assert pieces(agent, None, 3.0, loud_finder)["pre"]["intensity_db"] is None


def test_a_twin_is_there_once_it_was_played_and_recognised(
    tmp_path, make_data, annotations, silent, words
):
    data = make_data({"user_backchannel": {"1": annotations["overlap"]}})
    sample = data / "user_backchannel" / "1"
    (sample / "clean_input.wav").write_bytes((sample / "input.wav").read_bytes())
    folder = RunFolder(tmp_path / "run")
    (sample,) = begin(folder, plan_run("fdb-v1.5", data, {}, {}))
    assert read_clean(folder, sample) is None
    play_samples(folder, [sample], silent(), lambda seconds: None, print)
    assert read_clean(folder, sample) is None
    said = words((0.1, 0.5))
    folder.set_recognised(sample.key, "clean_", Recognised(words=said, source={}))
    assert read_clean(folder, sample).words == said
