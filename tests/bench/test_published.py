"""Published rows: every one has a source, and its numbers fit the columns."""

from voiceagent.bench.published import PUBLISHED
from voiceagent.bench.suites import tasks_of
from voiceagent.bench.summary import columns_of


def test_every_row_names_its_source():
    assert all(row.source for rows in PUBLISHED.values() for row in rows)


def test_every_number_is_of_an_official_column_of_its_task():
    for suite, rows in PUBLISHED.items():
        tasks = tasks_of(suite)
        for row in rows:
            for task, numbers in row.numbers.items():
                official = {c.name for c in columns_of(tasks[task].axes) if c.is_official}
                assert set(numbers) <= official, (row.system, task)


def test_a_number_stands_where_its_source_has_it():
    moshi = next(row for row in PUBLISHED["fdb-v1"] if row.system == "Moshi")
    assert moshi.numbers["candor_turn_taking"] == {"tor": 0.941, "latency_s": 0.265}
    assert moshi.numbers["icc_backchannel"]["jsd"] == 0.957
    assert "disputed" in moshi.note
