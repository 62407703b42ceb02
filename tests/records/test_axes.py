import json

import pytest

from voiceagent.errors import RecordError
from voiceagent.records.axes import EMPTY, Axes, measure
from voiceagent.records.conversation import ANNOTATED, ESTIMATED, OVERLAP_KINDS, Conversation
from voiceagent.records.figures import Rate, percentile


@pytest.fixture
def axes(converse) -> Axes:
    """A call with everything in it once or twice."""
    return measure(
        converse(
            # a pause that is held, a backchannel, an answer after 320 ms
            *(("turn", 0, 1000, 1600, 2500), ("agent", 500, 800, "mm")),
            ("agent", 2820, 6000, "that is a long story"),
            # honoured: the agent stops within 500 ms and answers 400 ms after
            *(("interruption", 5500, 7000), ("agent", 7400, 9200, "all right then")),
            # spoken through, as it should be
            *(("user_backchannel", 8000, 8300),),
            # an early answer
            *(("turn", 10_000, 11_000), ("agent", 10_900, 12_400, "yes that is so")),
            # talked through and then answered: a response, but not honoured
            *(("interruption", 11_200, 11_500), ("agent", 12_600, 13_000, "hm")),
            ("agent", 14_000, 17_000, "one more thing that you should know"),
            ("talking_to_others", 14_500, 15_500),
            # a pause that is taken; the turn's end is missed, and nobody speaks after it
            *(("turn", 30_000, 31_000, 31_800, 34_000), ("agent", 31_200, 33_500, "so be it")),
            duration_ms=40_000,
        ),
        deadline_misses=3,
        concealed_ms=160,
    )


def test_pauses_held_of_all_pauses(axes):
    assert axes.pauses_held == Rate(1, 2)


def test_turns_taken_with_latency_from_their_end_and_never_below_zero(axes):
    assert axes.turns_taken == Rate(2, 3)
    assert axes.latencies_ms == (320, 0)


def test_floor_kept_of_all_turns_and_interruptions_with_backchannels_per_minute(axes):
    assert axes.floor_kept == Rate(4, 5)
    assert axes.num_backchannels == 1
    spoken_ms = 1900 + 1500 + 300 + 1000 + 300 + 3200
    assert axes.user_ms == spoken_ms
    assert axes.backchannels_per_min == pytest.approx(60_000 / spoken_ms, abs=0.01)


def test_interruption_is_honoured_by_stopping_in_time_and_responding(axes):
    assert axes.interruptions_honoured == Rate(1, 2)
    assert axes.stops_ms == (500, 1200)
    assert axes.recoveries_ms == (400, 1100)


def test_offsets_are_those_of_turns_and_interruptions_in_order(axes):
    assert axes.offsets_ms == (320, 400, -100, 1100)


def test_overlap_table_counts_kinds_and_outcomes(axes):
    table = axes.overlaps()
    assert tuple(table) == OVERLAP_KINDS
    assert table["interruption"]["respond"] == 2
    assert table["user_backchannel"]["resume"] == 1
    assert table["talking_to_others"]["resume"] == 1
    assert sum(map(sum, (row.values() for row in table.values()))) == 4


def test_figures_of_the_whole_call(axes):
    assert axes.longest_monologue_ms == 3180
    assert axes.longest_silence_ms == 13_000
    assert axes.num_stuck == 1
    assert (axes.deadline_misses, axes.concealed_ms) == (3, 160)
    assert axes.talk_share == pytest.approx(
        axes.agent_ms / (axes.agent_ms + axes.user_ms), abs=1e-3
    )


def test_sound_not_meant_for_the_agent_is_no_talk_of_the_user(converse):
    axes = measure(converse(("background_speech", 0, 9000), ("agent", 1000, 2000)))
    assert (axes.user_ms, axes.talk_share, axes.overlap_ms) == (0, 1.0, 0)


def test_axes_survive_json(axes):
    values = json.loads(json.dumps(axes.to_json()))
    assert Axes.from_json(values) == axes
    assert values["labels"] == "annotated"
    assert values["turns_taken"] == {
        "count": 2,
        "of": 3,
        "share": 0.667,
        "low": 0.208,
        "high": 0.939,
    }
    assert values["turn_latency_ms"] == {"count": 2, "p50": 160, "p95": 304}


@pytest.mark.parametrize("values", [None, {}, {"labels": "estimated", "events": [{"colour": 1}]}])
def test_axes_that_do_not_fit_are_refused(values):
    with pytest.raises(RecordError, match="axes do not fit"):
        Axes.from_json(values)


@pytest.mark.parametrize("labels", [ESTIMATED, ANNOTATED])
def test_call_of_nothing_has_honest_empty_axes_and_says_how_it_was_labelled(labels):
    axes = measure(Conversation(labels=labels, duration_ms=0))
    assert axes.labels == labels
    assert (axes.turns_taken, axes.talk_share, axes.events) == (Rate(0, 0), None, ())
    values = axes.to_json()
    assert values["human_distance_ms"] is None
    assert values["turn_latency_ms"] == {"count": 0, "p50": None, "p95": None}
    assert values["pauses_held"]["share"] is None


def test_empty_axes_are_those_of_a_call_of_nothing():
    assert measure(Conversation(labels=ESTIMATED, duration_ms=0)) == EMPTY


def test_brief_is_the_four_axes_with_the_last_and_the_median_time(axes):
    brief = axes.brief()
    assert json.loads(json.dumps(brief)) == brief
    assert brief["labels"] == ANNOTATED
    assert Rate(**brief["pauses_held"]) == axes.pauses_held
    assert Rate(**brief["interruptions_honoured"]) == axes.interruptions_honoured
    assert brief["backchannels"] == axes.num_backchannels
    assert brief["turn_latency_ms"]["last"] == axes.latencies_ms[-1]
    assert brief["stop_ms"] == {"last": axes.stops_ms[-1], "p50": percentile(axes.stops_ms, 50)}


def test_brief_of_nothing_has_no_times():
    assert EMPTY.brief()["turn_latency_ms"] == {"last": None, "p50": None}
