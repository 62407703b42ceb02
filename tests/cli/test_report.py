import argparse

import pytest

from voiceagent.cli import report
from voiceagent.errors import RecordError
from voiceagent.records.recorder import SessionRecorder
from voiceagent.records.schema import SessionHeader

ID = "ab" + "0" * 30


@pytest.fixture
def records(tmp_path):
    header = SessionHeader(
        id=ID, model="nano", transport="test", started_at="2026-11-22T10:00:00.000"
    )
    SessionRecorder(tmp_path / "records", header).close("hung up")
    return tmp_path / "records"


def run(*arguments) -> int:
    parser = argparse.ArgumentParser()
    report.add_parser(parser.add_subparsers())
    options = parser.parse_args(["report", *map(str, arguments)])
    return options.run(options)


def test_report_writes_the_sessions_page_and_says_where(records, tmp_path, capsys):
    output = tmp_path / "page.html"
    assert run("ab", "--records", records, "--output", output) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert "Session ab000000" in output.read_text()


def test_page_lies_here_under_the_sessions_name(records, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("ab", "--records", records)
    run("--trend", "--records", records)
    assert {path.name for path in tmp_path.glob("*.html")} == {
        "report-ab000000.html",
        "trend.html",
    }


def test_trend_is_of_all_finished_sessions(records, tmp_path):
    output = tmp_path / "page.html"
    run("--trend", "--records", records, "--output", output)
    assert "1 call," in output.read_text()
    (records / ID / "session.json").unlink()
    run("--trend", "--records", records, "--output", output)
    assert "No calls to show yet." in output.read_text()


@pytest.mark.parametrize("arguments", [[], ["ab", "--trend"]])
def test_report_is_of_one_session_or_of_all(arguments, capsys):
    with pytest.raises(SystemExit):
        run(*arguments)


def test_unknown_session_is_named(records):
    with pytest.raises(RecordError, match="begins with 'ff'"):
        run("ff", "--records", records)


def test_page_that_cannot_be_written_names_the_file(records, tmp_path):
    with pytest.raises(RecordError, match=r"nowhere/page\.html: cannot be written"):
        run("ab", "--records", records, "--output", tmp_path / "nowhere" / "page.html")
