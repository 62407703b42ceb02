import pytest
import torch
from safetensors.torch import save_file
from voiceagent_codec.base import CodeSpace
from voiceagent_codec.codes_file import CodesFile, read_codes, write_codes
from voiceagent_codec.errors import CodeError

SPACES = {"agent": CodeSpace(3, 10)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "codes.safetensors"


def test_codes_written_and_read_are_the_same(path):
    codes = torch.arange(9).view(3, 3)
    write_codes(path, CodesFile(codes, "agent", "toy"))
    assert torch.equal(read_codes(path, "toy", SPACES).codes, codes)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (CodesFile(torch.zeros(2, 3), "agent", "other"), "codes of model 'other', not of 'toy'"),
        (CodesFile(torch.zeros(2, 3), "user", "toy"), "user codes"),
        (CodesFile(torch.zeros(2, 4), "agent", "toy"), r"\[T, 3\], not \[2, 4\]"),
        (CodesFile(torch.zeros(0, 3), "agent", "toy"), r"not \[0, 3\]"),
        (CodesFile(torch.full((2, 3), 10), "agent", "toy"), "outside 0 to 9"),
    ],
)
def test_read_codes_that_do_not_fit_says_why(path, file, problem):
    write_codes(path, file)
    with pytest.raises(CodeError, match=problem):
        read_codes(path, "toy", SPACES)


def test_read_codes_of_missing_damaged_or_foreign_files_says_which(path):
    with pytest.raises(CodeError, match="no such file"):
        read_codes(path, "toy", SPACES)
    path.write_bytes(b"rubbish")
    with pytest.raises(CodeError, match="not a whole safetensors file"):
        read_codes(path, "toy", SPACES)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CodeError, match="holds no codes"):
        read_codes(path, "toy", SPACES)


def test_write_codes_into_a_missing_folder_raises_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write_codes(tmp_path / "none" / "x.safetensors", CodesFile(torch.zeros(1, 3), "agent", "t"))
