"""Where words come from, and that it is written down."""

import json
import sys

import numpy as np
import pytest

from voiceagent.audio.wav import write_wav
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.recognise import (
    OwnText,
    open_source,
    recognise_samples,
    recognise_users,
)
from voiceagent.bench.runner import play_samples
from voiceagent.bench.stages import begin, plan_run
from voiceagent.bench.transcript import text_of
from voiceagent.errors import AudioFileError, BenchError, ConfigError, RecogniserUnavailable
from voiceagent.testing.words import normalise

KEY = "synthetic_user_interruption/1"


@pytest.fixture
def played(tmp_path, make_data, annotations, scripted, words):
    """A run of one interruption, whose target told its words."""

    def run(said=words((0.2, 0.4), (1.5, 1.8))):  # noqa: B008 - the fixture is a plain function
        data = make_data({"synthetic_user_interruption": {"1": annotations["interruption"]}})
        folder = RunFolder(tmp_path / "run")
        samples = begin(folder, plan_run("fdb-v1", data, {}, {}))
        target = scripted(lambda call: (np.zeros(len(call.user), np.float32), said))
        play_samples(folder, samples, target, lambda s: None, lambda *_: None)
        return folder, samples

    return run


def recognise(folder, samples, source):
    failures = {}
    recognise_samples(folder, samples, source, lambda: None, failures.__setitem__)
    return failures


def test_own_words_of_an_official_interruption_are_those_after_it(played, words):
    folder, samples = played()
    assert recognise(folder, samples, OwnText()) == {}
    found = folder.recognised(KEY)
    assert found.words == words((1.5, 1.8))
    assert found.source["recogniser"] == "own text"


def test_a_target_without_words_says_what_to_do(played):
    folder, samples = played(said=None)
    assert "use --asr whisper" in recognise(folder, samples, OwnText())[KEY]
    assert folder.recognised(KEY) is None


def test_given_transcripts_are_taken_as_they_are(played, tmp_path, words):
    folder, samples = played()
    path = tmp_path / "given" / KEY / "output.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"chunks": [{"text": "hi", "timestamp": [0.1, None]}]}))
    recognise(folder, samples, open_source(f"given:{tmp_path / 'given'}"))
    assert folder.recognised(KEY).words == words(("hi", 0.1, None))


def test_a_missing_given_transcript_fails_alone(played, tmp_path):
    folder, samples = played()
    (tmp_path / "given").mkdir()
    failures = recognise(folder, samples, open_source(f"given:{tmp_path / 'given'}"))
    assert "output.json: cannot be read" in failures[KEY]


def test_users_words_are_recognised_for_twins_unless_the_data_tells_them(
    tmp_path, make_data, annotations, words
):
    data = make_data({"user_backchannel": {"1": annotations["overlap"]}})
    sample = data / "user_backchannel" / "1"
    (sample / "clean_input.wav").write_bytes((sample / "input.wav").read_bytes())
    (sample / "input.json").write_text(json.dumps({"chunks": []}))
    folder, given = RunFolder(tmp_path / "run"), tmp_path / "given" / "user_backchannel" / "1"
    given.mkdir(parents=True)
    said = {"chunks": [{"text": "hi", "timestamp": [0.1, 0.2]}]}
    (given / "clean_input.json").write_text(json.dumps(said))
    samples = begin(folder, plan_run("fdb-v1.5", data, {}, {}))
    source, failures = open_source(f"given:{tmp_path / 'given'}"), {}
    recognise_users(folder, samples, source, lambda: None, failures.__setitem__)
    assert failures == {}
    assert folder.recognised(samples[0].key, "clean_", "input").words == words(("hi", 0.1, 0.2))
    assert folder.recognised(samples[0].key, "", "input") is None


class DamagedSound(OwnText):
    def user_words(self, sample, take):
        raise AudioFileError("input.wav", "is cut short")


def test_a_damaged_recording_of_a_user_fails_alone(tmp_path, make_data, annotations):
    data = make_data({"user_backchannel": {"1": annotations["overlap"]}})
    samples = begin(RunFolder(tmp_path / "run"), plan_run("fdb-v1.5", data, {}, {}))
    failures = {}
    folder = RunFolder(tmp_path / "run")
    recognise_users(folder, samples, DamagedSound(), lambda: None, failures.__setitem__)
    assert failures == {"user_backchannel/1": "input.wav: is cut short"}


class Counting(OwnText):
    def __init__(self, version):
        self.version, self.calls = version, 0

    @property
    def facts(self):
        return {"recogniser": "counting", "version": self.version}

    def words(self, folder, sample, take):
        self.calls += 1
        return super().words(folder, sample, take)


def test_what_is_recognised_is_not_done_again_unless_by_another(played):
    folder, samples = played()
    first, other = Counting(1), Counting(2)
    for source in (first, first, other):
        recognise(folder, samples, source)
    assert (first.calls, other.calls) == (1, 1)
    assert folder.recognised(KEY).source["version"] == 2


def test_what_was_not_played_is_left_alone(tmp_path, make_data, annotations):
    data = make_data({"candor_turn_taking": {"1": annotations["turn"], "2": {}}})
    folder = RunFolder(tmp_path / "run")
    samples = begin(folder, plan_run("fdb-v1", data, {}, {}))
    assert recognise(folder, samples, OwnText()) == {}


def test_none_is_no_source_and_auto_falls_back_on_the_models_text(monkeypatch):
    assert open_source("none") is None
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    assert isinstance(open_source("auto"), OwnText)


@pytest.mark.parametrize(
    ("name", "module_name"), [("whisper", "faster_whisper"), ("parakeet", "nemo")]
)
def test_what_is_not_installed_names_the_install_line(monkeypatch, name, module_name):
    monkeypatch.setitem(sys.modules, module_name, None)
    with pytest.raises(RecogniserUnavailable, match="pip install"):
        open_source(name)


@pytest.mark.parametrize("name", ["siri", "given", "text:x", "parakeet:x"])
def test_an_unknown_name_lists_those_there_are(name):
    with pytest.raises(ConfigError, match="whisper:DIR"):
        open_source(name)


def test_a_missing_folder_of_given_transcripts_is_named(tmp_path):
    with pytest.raises(BenchError, match="no such folder"):
        open_source(f"given:{tmp_path / 'none'}")


@pytest.mark.slow
def test_whisper_hears_only_what_follows_an_official_interruption(played):
    pytest.importorskip("faster_whisper")
    from voiceagent.scenes import speaker

    folder, samples = played()
    spoken = speaker("hibari:heart").say("on monday we are open").pcm
    pcm = np.zeros(5 * 24_000, np.float32)
    pcm[36_000 : 36_000 + len(spoken)] = spoken
    write_wav(folder.inside(KEY, "output.wav"), pcm)
    recognise(folder, samples, open_source("whisper"))
    found = folder.recognised(KEY)
    assert normalise(text_of(found.words)) == ["on", "monday", "we", "are", "open"]
    assert found.words[0].start_s == pytest.approx(1.5, abs=0.12)
    assert found.source["model"] == "tiny.en"
