import json
from pathlib import Path

import pytest

from voiceagent.cli import main
from voiceagent.cli.sessions import default_root
from voiceagent.records.recorder import SessionRecorder
from voiceagent.records.schema import SessionHeader

ID = "ab" + "0" * 30


@pytest.fixture
def records(tmp_path):
    header = SessionHeader(
        id=ID, model="nano", transport="test", started_at="2026-11-22T10:00:00.000"
    )
    SessionRecorder(tmp_path, header).close("hung up")
    return tmp_path


def run(capsys, *arguments):
    code = main(["sessions", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list_prints_a_line_per_session(capsys, records):
    code, out, _ = run(capsys, "list", "--records", records)
    assert code == 0
    assert out.splitlines()[1].split() == (
        "ab000000 2026-11-22 10:00:00 nano 0 s 0 + 0 - 0 ms hung up".split()
    )


def test_list_of_nothing_says_where_it_looked(capsys, tmp_path):
    assert f"no sessions in {tmp_path}" in run(capsys, "list", "--records", tmp_path)[1]


def test_list_shows_a_session_that_died(capsys, records):
    (records / ID / "session.json").unlink()
    assert "still running, or died" in run(capsys, "list", "--records", records)[1]


def test_show_prints_the_summary_or_what_there_is(capsys, records):
    assert json.loads(run(capsys, "show", "ab", "--records", records)[1])["end_reason"] == "hung up"
    (records / ID / "session.json").unlink()
    assert json.loads(run(capsys, "show", "ab", "--records", records)[1])["is_finished"] is False


def test_delete_removes_the_session_and_says_so(capsys, records):
    assert run(capsys, "delete", "ab", "--records", records)[1] == f"deleted {ID}\n"
    assert not (records / ID).exists()


def test_unknown_session_is_one_clear_line(capsys, records):
    code, _, err = run(capsys, "show", "ff", "--records", records)
    assert code == 2
    assert "no session has an id that begins with 'ff'" in err


def test_records_lie_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("VOICEAGENT_RECORDS_DIR", "/somewhere")
    assert default_root() == Path("/somewhere")
    monkeypatch.delenv("VOICEAGENT_RECORDS_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_root() == Path("/data/voiceagent/sessions")
