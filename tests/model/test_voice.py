import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from voiceagent.errors import VoiceError
from voiceagent.model.voice import Voice, read_published, read_voice, write_voice

WIDTH, FRAMES = 6, 9


def published(**changes):
    """A voice of 9 frames as the reference leaves it: 8 embeddings, a ring of 4 positions."""
    ring = torch.full((1, 17, 4), 430)
    for frame in range(FRAMES):
        for k in range(8):
            ring[0, 1 + k, (frame + (k > 0)) % 4] = 100 * frame + k
    embeddings = torch.arange((FRAMES - 1) * WIDTH).reshape(FRAMES - 1, 1, 1, WIDTH).bfloat16()
    return {"embeddings": embeddings, "cache": ring, **changes}


def saved(folder, values):
    path = folder / "NATF0.pt"
    torch.save(values, path)
    return path


def test_published_voice_keeps_its_embeddings_and_the_codes_of_its_last_frames(tmp_path):
    voice = read_published(saved(tmp_path, published()))
    assert voice.frames == FRAMES
    assert voice.codes.tolist() == [[100 * f + k for k in range(8)] for f in (7, 8)]
    assert voice.embeddings.shape == (FRAMES - 1, WIDTH)
    assert voice.embeddings[1, 0] == WIDTH


def test_voice_is_read_as_it_was_written(tmp_path):
    voice = Voice(torch.tensor([[1, 2], [3, 2047]]), torch.rand(5, 3))
    write_voice(tmp_path / "v.safetensors", voice)
    again = read_voice(tmp_path / "v.safetensors")
    assert torch.equal(again.codes, voice.codes)
    assert torch.equal(again.embeddings, voice.embeddings)


def test_voice_of_codes_takes_a_step_a_frame():
    assert Voice.of_codes(torch.zeros(7, 8, dtype=torch.int64)).frames == 7


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('it ran')",))


def test_pickle_that_would_run_code_is_refused_unopened(tmp_path):
    path = saved(tmp_path, {"embeddings": Evil(), "cache": 1})
    with pytest.raises(VoiceError, match="not a file of plain tensors"):
        read_published(path)


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", pickle.dumps([Evil()])], ids=["empty", "rubbish", "pickle"]
)
def test_file_that_is_no_archive_of_tensors_is_refused(tmp_path, content):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(VoiceError, match="not a file of plain tensors"):
        read_published(path)


def test_archive_without_tensors_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"b")
    with pytest.raises(VoiceError, match="not a file of plain tensors"):
        read_published(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(VoiceError, match=r"x\.pt: no such file"):
        read_published(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cache": torch.zeros(1, 9, 4)}, r"cache is \[1, 9, 4\]"),
        ({"cache": torch.full((1, 17, 4), -2)}, "lacks codes"),
        ({"cache": 7}, "must be tensors"),
        ({"embeddings": torch.zeros(3)}, r"embeddings are \[3\]"),
        ({"embeddings": torch.zeros(3, 2, 4)}, r"embeddings are \[3, 2, 4\]"),
        ({"embeddings": torch.full((8, 1, 1, 6), torch.nan)}, "not finite"),
    ],
    ids=["streams", "codes", "no tensor", "no width", "batch", "nan"],
)
def test_tensors_of_another_layout_are_refused_with_the_reason(tmp_path, changes, reason):
    with pytest.raises(VoiceError, match=reason):
        read_published(saved(tmp_path, published(**changes)))


def test_tensors_without_a_cache_are_no_voice(tmp_path):
    with pytest.raises(VoiceError, match="not a voice as PersonaPlex publishes them"):
        read_published(saved(tmp_path, [torch.zeros(1)]))


@pytest.mark.parametrize("metadata", [None, {"kind": "codes"}])
def test_safetensors_of_something_else_is_refused(tmp_path, metadata):
    path = tmp_path / "v.safetensors"
    save_file({"codes": torch.zeros(1, 1)}, path, metadata=metadata)
    with pytest.raises(VoiceError, match="holds no voice"):
        read_voice(path)


def test_damaged_safetensors_is_refused(tmp_path):
    path = tmp_path / "v.safetensors"
    write_voice(path, Voice.of_codes(torch.zeros(2, 2, dtype=torch.int64)))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(VoiceError, match="not a whole safetensors file"):
        read_voice(path)
