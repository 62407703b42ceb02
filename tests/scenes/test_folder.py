import numpy as np
import pytest

from voiceagent.errors import AudioFileError, ConfigError
from voiceagent.scenes import folder
from voiceagent.scenes.render import render
from voiceagent.scenes.script import make_script


@pytest.fixture
def rendered(tone_speaker):
    return render(make_script("interruption", 2), tone_speaker)


def test_read_of_a_written_scene_is_the_scene(rendered, tmp_path):
    copy = folder.read(folder.write(rendered, tmp_path / "scenes"))
    assert copy.scene == rendered.scene
    np.testing.assert_allclose(copy.user, rendered.user, atol=1 / 32768)
    np.testing.assert_allclose(copy.agent, rendered.agent, atol=1 / 32768)


def test_write_over_an_older_scene_replaces_it_and_leaves_nothing_else(rendered, tmp_path):
    target = folder.write(rendered, tmp_path)
    (target / "stale").touch()
    folder.write(rendered, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [rendered.scene.id]
    assert {path.name for path in target.iterdir()} == {
        "user.wav",
        "agent.wav",
        "annotation.json",
    }


def test_write_that_fails_leaves_nothing(rendered, tmp_path, monkeypatch):
    def fail(path, pcm):
        raise AudioFileError(str(path), "disk full")

    monkeypatch.setattr("voiceagent.audio.wav.write_wav", fail)
    with pytest.raises(AudioFileError, match="disk full"):
        folder.write(rendered, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_read_without_an_annotation_names_the_file(tmp_path):
    with pytest.raises(ConfigError, match=r"annotation\.json: cannot be read"):
        folder.read(tmp_path)


def test_read_of_a_malformed_annotation_names_file_and_fault(rendered, tmp_path):
    target = folder.write(rendered, tmp_path)
    (target / "annotation.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"annotation\.json: scene annotation: expected"):
        folder.read(target)


def test_read_of_sound_of_another_length_is_refused(rendered, tone_speaker, tmp_path):
    target = folder.write(rendered, tmp_path)
    other = folder.write(render(make_script("question", 1), tone_speaker), tmp_path)
    (target / "user.wav").write_bytes((other / "user.wav").read_bytes())
    with pytest.raises(ConfigError, match="the sound not"):
        folder.read(target)
