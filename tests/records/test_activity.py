import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.records import activity
from voiceagent.records.activity import Span, join, overlap_ms, spans, total_ms

spans_of_time = st.lists(
    st.tuples(st.integers(0, 500), st.integers(1, 50)).map(lambda t: Span(t[0], t[0] + t[1])),
    max_size=8,
)


def spoken(pattern: str) -> list[bool]:
    return [mark == "x" for mark in pattern]


@pytest.mark.parametrize(("dbfs", "speaks"), [(-45.0, True), (-45.1, False)])
def test_level_decides_what_counts_as_speech(dbfs, speaks):
    assert activity.is_speech(dbfs) is speaks


def test_spans_are_the_runs_of_speech_and_can_be_shifted():
    assert spans(spoken(".xx..x")) == [Span(80, 240), Span(400, 480)]
    assert spans(spoken("x"), shift_ms=100) == [Span(100, 180)]
    assert spans([]) == []


def test_join_bridges_gaps_up_to_the_limit_and_no_longer():
    parts = [Span(0, 100), Span(260, 300), Span(461, 500)]
    assert join(parts, 160) == [Span(0, 300), Span(461, 500)]


def test_overlap_is_the_time_both_cover_each_moment_once():
    assert overlap_ms([Span(0, 100), Span(50, 120)], [Span(80, 200)]) == 40
    assert overlap_ms([Span(0, 100)], [Span(100, 200)]) == 0


@given(spans_of_time, spans_of_time)
def test_time_covered_agrees_with_counting_milliseconds(one, other):
    def covered(parts):
        return {t for part in parts for t in range(part.start_ms, part.end_ms)}

    assert total_ms(one) == len(covered(one))
    assert overlap_ms(one, other) == len(covered(one) & covered(other))
