import json

import numpy as np
import pytest
import torch

from voiceagent.audio.loudness import loudness_lufs
from voiceagent.audio.wav import write_wav
from voiceagent.errors import AudioFileError, VoiceError
from voiceagent.serving.voices import VoiceRegistry, seconds_of


def tone(seconds, level=0.2):
    time_s = np.arange(round(24_000 * seconds)) / 24_000
    return (level * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)


@pytest.fixture
def registry(tmp_path):
    return VoiceRegistry(tmp_path / "voices")


@pytest.fixture
def wav(tmp_path):
    write_wav(tmp_path / "anna.wav", np.stack([tone(2), tone(2)], axis=1))
    return tmp_path / "anna.wav"


@pytest.fixture
def published(tmp_path):
    values = {
        "embeddings": torch.zeros(9, 1, 1, 4),
        "cache": torch.zeros(1, 17, 4, dtype=torch.int64),
    }
    torch.save(values, tmp_path / "NATF0.pt")
    return tmp_path / "NATF0.pt"


def test_recording_is_kept_at_24_khz_mono_and_minus_24_lufs(registry, wav):
    info, notes = registry.add_sound("anna", wav)
    assert registry.ids() == ["anna"]
    assert registry.info("anna") == info
    assert (info.kind, info.source, info.frames, seconds_of(info)) == ("sound", "anna.wav", 25, 2.0)
    assert loudness_lufs(registry.sound("anna")) == pytest.approx(-24, abs=0.1)
    assert "mixed 2 channels to mono" in notes
    assert "to -24 LUFS" in notes[-1]


def test_published_voice_is_kept_as_safetensors(registry, published):
    info = registry.add_published("NATF0", published)
    assert (info.kind, info.frames) == ("embeddings", 10)
    assert registry.embeddings("NATF0").frames == 10
    assert {path.suffix for path in registry.root.iterdir()} == {".json", ".safetensors"}


def test_voice_registered_anew_is_another_one_whatever_its_kind(registry, wav, published):
    first, _ = registry.add_sound("x", wav)
    second = registry.add_published("x", published)
    assert first.sha256 != second.sha256
    assert sorted(path.name for path in registry.root.iterdir()) == ["x.json", "x.safetensors"]


def test_removed_voice_leaves_nothing(registry, wav):
    registry.add_sound("anna", wav)
    registry.remove("anna")
    assert (registry.ids(), list(registry.root.iterdir())) == ([], [])


def test_unknown_voice_is_told_with_those_there_are(registry, wav):
    with pytest.raises(VoiceError, match="no voice 'bob': none is registered"):
        registry.info("bob")
    registry.add_sound("anna", wav)
    with pytest.raises(VoiceError, match="no voice 'bob': there are anna"):
        registry.remove("bob")


@pytest.mark.parametrize("voice_id", ["", "../x", "a/b", "a.b", "x" * 65, "ä", "a\n", "NATF0.pt"])
def test_text_that_is_no_id_never_becomes_a_path(registry, wav, published, voice_id):
    for call in (
        lambda: registry.add_sound(voice_id, wav),
        lambda: registry.add_published(voice_id, published),
        lambda: registry.remove(voice_id),
        lambda: registry.info(voice_id),
        lambda: registry.sound(voice_id),
        lambda: registry.embeddings(voice_id),
    ):
        with pytest.raises(VoiceError, match="no id of a voice"):
            call()
    assert registry.ids() == []


@pytest.mark.parametrize(
    ("pcm", "reason"),
    [(tone(0.5), "lasts 0.5 s"), (tone(61), "lasts 61.0 s"), (tone(2, 0), "is silent")],
    ids=["short", "long", "silent"],
)
def test_recording_that_is_no_voice_is_refused_with_the_reason(registry, tmp_path, pcm, reason):
    write_wav(tmp_path / "x.wav", pcm)
    with pytest.raises(AudioFileError, match=reason):
        registry.add_sound("x", tmp_path / "x.wav")
    assert registry.ids() == []


def test_files_that_are_no_voices_are_not_listed(registry, wav):
    registry.add_sound("anna", wav)
    (registry.root / "not an id.json").write_text("{}")
    (registry.root / "stray.wav").write_bytes(b"x")
    assert registry.ids() == ["anna"]


@pytest.mark.parametrize("text", ["{", "[]", '{"id": "x"}'])
def test_damaged_description_is_one_clear_error(registry, wav, text):
    registry.add_sound("anna", wav)
    (registry.root / "anna.json").write_text(text)
    with pytest.raises(VoiceError, match=r"anna\.json: damaged"):
        registry.info("anna")


def test_damaged_sound_is_one_clear_error(registry, wav):
    registry.add_sound("anna", wav)
    (registry.root / "anna.wav").write_bytes(b"rubbish")
    with pytest.raises(VoiceError, match="register the voice again"):
        registry.sound("anna")


def test_folder_that_cannot_be_written_is_one_clear_error(tmp_path, wav):
    (tmp_path / "file").write_text("")
    with pytest.raises(VoiceError, match="cannot be written"):
        VoiceRegistry(tmp_path / "file").add_sound("anna", wav)


def test_description_is_plain_json(registry, wav):
    registry.add_sound("anna", wav)
    values = json.loads((registry.root / "anna.json").read_text())
    assert values.keys() == {"id", "kind", "source", "frames", "added_at", "sha256"}
