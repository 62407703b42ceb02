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


def test_the_overlaps_of_a_source_that_gives_all_tags_sum_to_one():
    (whole,) = (row for row in PUBLISHED["fdb-v1.5"] if row.system.startswith("GPT-4o"))
    for task, numbers in whole.numbers.items():
        tags = [numbers[tag] for tag in ("respond", "resume", "uncertain", "unknown")]
        assert 0.98 <= sum(tags) <= 1.02, task
    assert whole.numbers["background_speech"]["respond"] == 0.93


def test_a_source_of_wanted_behaviour_alone_has_nothing_else():
    freeze = next(row for row in PUBLISHED["fdb-v1.5"] if row.system == "Freeze-Omni")
    assert freeze.numbers["user_interruption"] == {"respond": 0.72}
    assert freeze.numbers["user_backchannel"] == {"resume": 0.8}
