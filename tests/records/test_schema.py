import json

import pytest

from voiceagent.errors import RecordError
from voiceagent.records.schema import SessionSummary
from voiceagent.records.store import RecordStore


@pytest.fixture
def values(record_one):
    folder = record_one().folder
    return json.loads((folder / "session.json").read_text())


def test_summary_survives_json(values, tmp_path):
    summary = SessionSummary.from_json(values, "file")
    assert summary == RecordStore(tmp_path).summary(summary.header.id)
    assert json.loads(json.dumps(summary.to_json())) == values


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schema_version": 2}, "schema version 2, this program reads 1"),
        ({"header": 3}, "does not fit"),
        ({"colour": 1}, "colour"),
    ],
)
def test_summary_that_does_not_fit_names_the_file_and_the_reason(values, change, problem):
    with pytest.raises(RecordError, match=f"^file: .*{problem}"):
        SessionSummary.from_json({**values, **change}, "file")


def test_summary_that_is_no_object_says_so():
    with pytest.raises(RecordError, match="holds no object"):
        SessionSummary.from_json([], "file")
