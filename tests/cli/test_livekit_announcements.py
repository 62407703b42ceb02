import pytest

from voiceagent.cli.main import main


def test_a_folder_that_is_none_is_named(tmp_path, capsys):
    assert main(["livekit", "announcements", str(tmp_path / "none")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_the_files_are_written_and_named(tmp_path, capsys):
    assert main(["livekit", "announcements", str(tmp_path)]) == 0
    written = capsys.readouterr().out.split()
    assert sorted(written) == sorted(str(path) for path in tmp_path.iterdir())
    assert len(written) == 5
