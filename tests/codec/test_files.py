import pytest
from voiceagent_codec.files import whole_file


def test_whole_file_appears_only_when_the_block_succeeds(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    writer = whole_file(path)
    writer.__enter__().write_text("half")
    writer.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert path.read_text() == "old"
    with whole_file(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_two_writers_of_one_file_do_not_share_a_partial_one(tmp_path):
    with whole_file(tmp_path / "x") as first, whole_file(tmp_path / "x") as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")


@pytest.mark.parametrize("name", [".", "/"])
def test_whole_file_of_a_folder_is_refused(name, tmp_path):
    with pytest.raises(IsADirectoryError), whole_file(tmp_path / name):
        pass
