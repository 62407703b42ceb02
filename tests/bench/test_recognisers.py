"""Recognisers on real speech."""

import sys
import types

import numpy as np
import pytest

from voiceagent.bench.recognisers import Parakeet, Sphinx, Whisper
from voiceagent.bench.suite import Sample, Task
from voiceagent.bench.transcript import text_of
from voiceagent.errors import BenchError, RecogniserUnavailable


@pytest.fixture(scope="module")
def sphinx():
    pytest.importorskip("pocketsphinx")
    return Sphinx()


@pytest.fixture(scope="module")
def spoken():
    """Two answers a second apart, the second one broken off."""
    pytest.importorskip("hibari")
    from voiceagent.scenes import speaker

    say = speaker("hibari:heart").say
    pause = np.zeros(24_000, np.float32)
    texts = ("three plus four is seven", "i can add numbers and tell you our")
    return np.concatenate([x for text in texts for x in (pause, say(text).pcm)] + [pause])


@pytest.mark.slow
def test_sphinx_hears_the_embedded_agents_sentences_where_they_are(sphinx, spoken):
    words = sphinx.hear(spoken)
    assert text_of(words) == "three plus four is seven i can add numbers and tell you our"
    assert words[0].start_s == pytest.approx(1.0, abs=0.1)
    assert words[5].start_s - words[4].end_s == pytest.approx(1.0, abs=0.2)


@pytest.mark.slow
def test_sphinx_hears_nothing_in_silence_and_says_what_it_is(sphinx):
    assert sphinx.hear(np.zeros(48_000, np.float32)) == ()
    assert sphinx.facts["recogniser"] == "pocketsphinx"
    assert "slot grammar" in sphinx.facts["settings"]


@pytest.mark.slow
def test_sphinx_judges_our_own_scenes_only(sphinx, tmp_path):
    task = Task(name="t", title="T", axes=(), read=lambda folder: None)
    with pytest.raises(BenchError, match="--asr whisper"):
        sphinx.words(None, Sample(task=task, id="1", folder=tmp_path), "")


def test_without_pocketsphinx_the_install_line_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(RecogniserUnavailable, match=r"voiceagent\[sphinx\]"):
        Sphinx()


def test_a_whisper_that_is_neither_folder_nor_size_is_named():
    pytest.importorskip("faster_whisper")
    with pytest.raises(RecogniserUnavailable, match=r"huge is no folder .* whisper:DIR"):
        Whisper("huge")


def test_parakeet_gets_16_khz_and_its_words_are_on_the_recordings_clock(monkeypatch):
    class Heard:
        def __init__(self):
            self.timestamp = {"word": [{"word": "yes", "start": 0.5, "end": 0.8}]}

    class Model:
        @classmethod
        def from_pretrained(cls, name):
            return cls()

        def transcribe(self, sounds, timestamps):
            lengths.extend(map(len, sounds))
            return [Heard() for _ in sounds]

    lengths: list[int] = []
    nemo_asr = types.SimpleNamespace(models=types.SimpleNamespace(ASRModel=Model))
    packages = {"nemo": types.ModuleType("nemo"), "nemo.collections": types.ModuleType("c")}
    packages["nemo.collections"].asr = nemo_asr
    for name, module in {**packages, "nemo.collections.asr": nemo_asr}.items():
        monkeypatch.setitem(sys.modules, name, module)
    (word,) = Parakeet().hear(np.zeros(24_000, np.float32))
    assert (lengths, word.text, word.start_s) == ([16_000], "yes", 0.5)
