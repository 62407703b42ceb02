"""The page: what it is of, every number, what failed, and what may be compared."""

import pytest

from voiceagent.bench.folder import Plan
from voiceagent.bench.report import MOST_PLAYERS, definition, headline, number_text, render
from voiceagent.bench.rules import CORRECTED, UPSTREAM_PR12
from voiceagent.bench.suites import tasks_of
from voiceagent.bench.summary import columns_of, summarise

TASK = "candor_turn_taking"


def row(sample, status="done", task=TASK, **values):
    scores = {"missing": {}, "offsets_ms": [], "is_good": True, "right_censored": False}
    return {"task": task, "id": sample, "status": status, "reason": "", **scores, **values}


def drawn(*rows, rules=CORRECTED, player_of=lambda row: ""):
    plan = Plan(suite="fdb-v1", data="/d", keys=(), target={"target": "in-process", "model": "m"})
    words = [{"recogniser": "faster-whisper", "version": "1.2.1"}]
    return render(summarise(plan, tasks_of("fdb-v1"), rows, rules, words), rows, player_of)


def test_a_whole_run_says_how_much_it_is():
    assert "fdb-v1: all 1 recording scored." in drawn(row("1", takeover=True))


@pytest.mark.parametrize("status", ["failed", "not run"])
def test_a_partial_run_says_so_first(status):
    assert "<h1>Partial: 1 of 2 recordings of fdb-v1 scored.</h1>" in drawn(
        row("1"), row("2", status)
    )


def test_numbers_stand_with_interval_and_n():
    page = drawn(row("1", takeover=True), row("2", takeover=False))
    assert "<td>0.500 (0.09 to 0.91)</td><td>2</td>" in page
    assert number_text({"value": None, "low": None}) == "–"


def test_what_a_number_hangs_on_is_named():
    page = drawn(row("1"))
    for text in ("corrected", "faster-whisper", "1.2.1", "Silero VAD", "in-process"):
        assert text in page


def test_failures_are_listed_with_their_reasons():
    assert "it &lt;hung&gt; up" in drawn(row("1", "failed", reason="it <hung> up"))


def test_published_rows_name_their_source_and_are_no_ranking():
    page = drawn(row("1"))
    assert "Freeze-Omni" in page
    assert "not comparable unless" in page


def test_published_backchannel_rows_stand_only_beside_official_rules():
    found = row("1", task="icc_backchannel")
    assert "Freeze-Omni" not in drawn(found)
    assert "Freeze-Omni" in drawn(found, rules=UPSTREAM_PR12)


def test_a_backchannels_number_is_called_official_only_by_official_rules():
    column, axes = columns_of(("backchannel",))[0], ["backchannel"]
    assert definition(column, axes, "corrected") == "corrected"
    assert definition(column, axes, "upstream@PR12") == "official"
    assert definition(columns_of(("turn",))[0], ["turn"], "corrected") == "official"
    assert definition(columns_of(("turn",))[-1], ["turn"], "corrected") == "ours"


def test_players_are_few_and_those_that_went_wrong_come_first():
    rows = [row(str(i), is_good=i != 7) for i in range(9)]
    page = drawn(*rows, player_of=lambda row: f"[player {row['id']}]")
    assert page.count("[player") == MOST_PLAYERS
    assert page.index("[player 7]") < page.index("[player 0]")


def test_the_page_stands_alone():
    page = drawn(row("1"))
    assert "http://" not in page
    assert "media-src data:" in page
    assert "<script" not in page


def test_the_headline_counts_every_task():
    tasks = {"a": {"scored": 1, "planned": 3}, "b": {"scored": 2, "planned": 2}}
    text = headline({"suite": "builtin", "is_whole": False, "tasks": tasks})
    assert text == "Partial: 3 of 5 recordings of builtin scored."
