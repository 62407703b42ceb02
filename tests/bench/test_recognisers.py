"""Recognisers on real speech."""

import sys

import numpy as np
import pytest

from voiceagent.bench.recognisers import Sphinx
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
