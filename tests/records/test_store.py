import pytest

from voiceagent.errors import RecordError
from voiceagent.records.store import RecordStore


@pytest.fixture
def store(tmp_path, record_one):
    for number in (0x1, 0x2):
        record_one(number)
    (tmp_path / "something else").mkdir()
    return RecordStore(tmp_path)


def test_ids_are_the_session_folders_and_nothing_else(store):
    assert store.ids() == [f"{1:032x}", f"{2:032x}"]


def test_ids_of_a_folder_that_does_not_exist_are_none(tmp_path):
    assert RecordStore(tmp_path / "none").ids() == []


def test_find_needs_the_beginning_of_exactly_one_id(store):
    assert store.find(f"{2:032x}") == f"{2:032x}"
    with pytest.raises(RecordError, match="2 sessions have an id that begins with '0'"):
        store.find("0")
    with pytest.raises(RecordError, match="no session has"):
        store.find("ff")
    with pytest.raises(RecordError, match="sessions have"):
        store.find("")


@pytest.mark.parametrize("name", ["../../etc", "something else", "", "0" * 31, "F" * 32])
def test_names_that_are_no_session_ids_never_touch_the_disk(store, tmp_path, name):
    for action in (store.summary, store.trace, store.delete):
        with pytest.raises(RecordError, match="no session"):
            action(name)
    assert (tmp_path / "something else").exists()


def test_delete_removes_one_session_whole(store):
    store.delete(f"{1:032x}")
    assert store.ids() == [f"{2:032x}"]


def test_session_without_a_summary_is_running_or_died(store, tmp_path):
    (tmp_path / f"{1:032x}" / "session.json").unlink()
    assert store.summary(f"{1:032x}") is None


def test_trace_cut_short_gives_its_whole_lines(store, tmp_path):
    path = tmp_path / f"{1:032x}" / "trace.jsonl"
    path.write_text(path.read_text()[:-20])
    assert len(store.trace(f"{1:032x}")) == 24


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("session.json", "{", "not JSON"),
        (
            "trace.jsonl",
            '{"schema_version": 7}\n',
            "version 7, this program reads 1 and 2",
        ),
        ("trace.jsonl", '{"schema_version": 1}\n{"step": 1}\n', "damaged"),
        ("trace.jsonl", '{"schema_version": 1}\n{\n', "damaged"),
    ],
)
def test_damaged_records_are_named(store, tmp_path, name, content, problem):
    (tmp_path / f"{1:032x}" / name).write_text(content)
    action = store.summary if name == "session.json" else store.trace
    with pytest.raises(RecordError, match=rf"{name}: .*{problem}"):
        action(f"{1:032x}")


def test_trace_that_is_missing_is_named(store, tmp_path):
    (tmp_path / f"{1:032x}" / "trace.jsonl").unlink()
    with pytest.raises(RecordError, match="no trace"):
        store.trace(f"{1:032x}")


def test_trace_of_version_1_is_read(store, tmp_path):
    path = tmp_path / f"{1:032x}" / "trace.jsonl"
    path.write_text(path.read_text().replace('"schema_version": 2', '"schema_version": 1'))
    assert len(store.trace(f"{1:032x}")) == 25
