"""Stop and response times, on hand-made stretches."""

import pytest

from voiceagent.bench.scorers.timing import all_overlaps, all_replies, join, measure, stop_s


def test_join_closes_gaps_up_to_the_limit():
    assert join([(0, 1), (1.5, 2), (2.75, 3)], 0.5) == ((0, 2), (2.75, 3))


def test_stop_is_from_the_onset_to_the_agents_silence():
    found = measure([(0, 2), (6, 8)], [(3, 6.4), (9.1, 12)], overlap=(6, 8))
    assert found.stop_s == pytest.approx(0.4)
    assert found.respond_s == pytest.approx(1.1)


def test_a_silent_agent_has_nothing_to_stop():
    assert measure([(0, 2), (6, 8)], [(3, 5)], overlap=(6, 8)).stop_s is None


def test_an_agent_that_talks_through_stops_late_and_never_responds():
    found = measure([(0, 2), (6, 8)], [(3, 14)], overlap=(6, 8))
    assert (found.stop_s, found.respond_s) == (8, None)


def test_the_officials_list_the_answer_to_the_first_query_too():
    found = measure([(0, 2), (6, 8)], [(3, 6.4), (9.1, 12)], overlap=(6, 8))
    assert found.replies == ((2, 3), (8, 9.1))
    assert found.overlaps == ((6, 6.4),)


def test_a_reply_counts_from_the_latest_of_the_users_ends():
    assert all_replies([(0, 2), (3, 4)], [(5, 6)]) == ((4, 5),)


def test_a_start_at_the_users_very_end_is_no_reply():
    assert all_replies([(0, 2)], [(2, 4), (7, 8)]) == ((2, 7),)


def test_of_overlaps_that_end_together_the_shortest_is_kept():
    assert all_overlaps([(0, 10)], [(2, 5), (4, 5)]) == ((4, 5),)


def test_touching_is_no_overlap():
    assert all_overlaps([(0, 2)], [(2, 4)]) == ()
    assert stop_s([(2, 4)], 2) is None


def test_without_an_event_only_the_lists_are_there():
    row = measure([(0, 2)], [(1, 3)], None).to_json()
    assert row == {
        "stop_s": None,
        "respond_s": None,
        "stops_all": [[1, 2]],
        "responses_all": [],
    }
