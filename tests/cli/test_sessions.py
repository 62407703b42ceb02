import json
from pathlib import Path

import pytest

from voiceagent.cli import main
from voiceagent.cli.sessions import default_root
from voiceagent.records.recorder import SessionRecorder
from voiceagent.records.schema import SessionHeader, TraceFrame

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
        "ab000000 2026-11-22 10:00:00 nano 0 s - - - - - hung up".split()
    )


@pytest.fixture
def record_talk(tmp_path):
    """Writes a call: the user pauses, the agent says "mm" meanwhile and answers in the end."""

    def write() -> Path:
        header = SessionHeader(
            id=ID, model="nano", transport="test", started_at="2026-11-22T10:00:00.000"
        )
        recorder = SessionRecorder(tmp_path, header)
        user, agent = "#####.....#####.......", "......##.........#####"
        for step, (mine, yours) in enumerate(zip(user, agent, strict=True)):
            recorder.frame(
                TraceFrame(
                    step=step,
                    time_ms=80 * step,
                    said=None,
                    heard=None,
                    user_dbfs=-20.0 if mine == "#" else -90.0,
                    is_gated=False,
                    agent_dbfs=-20.0 if yours == "#" else -90.0,
                    p_pad=0.9,
                    p_epad=0.1,
                    entropy=0.2,
                    step_us=9000,
                    lag_us=12_000,
                )
            )
        recorder.close("hung up")
        return tmp_path

    return write


def test_list_shows_the_axes_of_a_conversation(capsys, record_talk):
    out = run(capsys, "list", "--records", record_talk())[1].splitlines()
    assert out[0].split()[5:9] == ["pauses", "floor", "turns", "latency"]
    assert out[1].split()[4:12] == "2 s 1/1 1/1 +1 1/1 252 ms".split()


def test_list_shows_a_record_of_version_1_without_axes(capsys, record_talk):
    root = record_talk()
    path = root / ID / "session.json"
    values = json.loads(path.read_text())
    del values["axes"]
    path.write_text(json.dumps({**values, "schema_version": 1}))
    assert run(capsys, "list", "--records", root)[1].splitlines()[1].split()[6:11] == ["-"] * 5


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
