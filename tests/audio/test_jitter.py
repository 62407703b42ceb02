import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.audio.jitter import (
    CALM_PACKETS,
    MAX_HOLD,
    JitterBuffer,
    TimestampClock,
    sequence_add,
    sequence_distance,
    timestamp_distance,
)


def feed(buffer, sequences):
    """What each arrival releases."""
    return [buffer.add(sequence & 0xFFFF, sequence) for sequence in sequences]


@pytest.mark.parametrize(
    ("newer", "older", "distance"),
    [(5, 3, 2), (3, 5, -2), (0, 65535, 1), (65535, 0, -1), (7, 7, 0), (0x8000, 0, -0x8000)],
)
def test_sequence_distance_across_the_wrap_has_a_sign(newer, older, distance):
    assert sequence_distance(newer, older) == distance


def test_sequence_add_past_65535_starts_at_zero():
    assert sequence_add(65535, 2) == 1


@pytest.mark.parametrize(
    ("newer", "older", "distance"), [(960, 0, 960), (480, 2**32 - 480, 960), (0, 960, -960)]
)
def test_timestamp_distance_across_the_wrap_has_a_sign(newer, older, distance):
    assert timestamp_distance(newer, older) == distance


def test_packets_in_order_are_never_delayed():
    assert feed(JitterBuffer(), range(65530, 65545)) == [[n] for n in range(65530, 65545)]


def test_one_lost_packet_waits_for_hold_packets_and_no_longer():
    buffer = JitterBuffer(hold=2)
    assert feed(buffer, [1, 3, 4, 5]) == [[1], [], [3, 4], [5]]
    assert buffer.counts.lost == 1


def test_one_lost_packet_is_at_first_given_up_with_the_next():
    assert feed(JitterBuffer(), [1, 3, 4]) == [[1], [3], [4]]


def test_three_lost_in_a_row_wait_for_nothing_as_the_newest_is_far_ahead():
    buffer = JitterBuffer(hold=2)
    assert feed(buffer, [1, 5, 6, 7]) == [[1], [], [5, 6], [7]]
    assert buffer.counts.lost == 3


def test_two_packets_swapped_come_out_in_order():
    buffer = JitterBuffer(hold=2)
    assert feed(buffer, [1, 3, 2, 4]) == [[1], [], [2, 3], [4]]
    assert buffer.counts.lost == 0


def test_a_packet_after_its_place_was_given_up_is_dropped_and_hold_grows():
    buffer = JitterBuffer(hold=1)
    assert feed(buffer, [1, 3, 2, 4]) == [[1], [3], [], [4]]
    assert (buffer.counts.late, buffer.counts.lost, buffer.hold) == (1, 0, 2)


def test_hold_never_grows_past_its_maximum():
    buffer = JitterBuffer()
    feed(buffer, [100, *range(60, 90)])
    assert buffer.hold == MAX_HOLD


def test_hold_in_calm_traffic_shrinks():
    buffer = JitterBuffer(hold=2)
    feed(buffer, range(CALM_PACKETS + 1))
    assert buffer.hold == 1


def test_a_duplicate_is_dropped_and_counted():
    buffer = JitterBuffer(hold=2)
    assert feed(buffer, [1, 3, 3, 2]) == [[1], [], [], [2, 3]]
    assert buffer.counts.duplicate == 1


@pytest.mark.parametrize("jump", [5000, -5000])
def test_a_jump_of_the_sequence_starts_again_without_a_hole(jump):
    buffer = JitterBuffer(hold=2)
    assert feed(buffer, [9000, 9002, 9000 + jump, 9001 + jump]) == [
        [9000],
        [],
        [9002, 9000 + jump],
        [9001 + jump],
    ]
    assert (buffer.counts.restarts, buffer.counts.lost) == (1, 0)


@pytest.mark.parametrize("hold", [0, MAX_HOLD + 1])
def test_hold_out_of_range_is_refused(hold):
    with pytest.raises(ValueError, match="hold"):
        JitterBuffer(hold)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 65535), st.lists(st.integers(0, 5), max_size=60))
def test_any_shuffling_and_loss_comes_out_in_order_at_most_once(start, delays):
    arrival = sorted(range(len(delays)), key=lambda n: (n + delays[n], n))
    out = [n for released in feed(JitterBuffer(), [start + n for n in arrival]) for n in released]
    assert out == sorted(set(out))


@pytest.mark.parametrize(
    ("timestamps", "missing"),
    [
        ([0, 960, 1920], [0, 0, 0]),
        ([0, 1920, 2880], [0, 960, 0]),
        ([2**32 - 960, 960, 1920], [0, 960, 0]),
        ([0, 960 * 500, 960 * 501], [0, 9600, 0]),
        ([960, 0, 960], [0, 0, 0]),
    ],
    ids=["steady", "one lost", "across the wrap", "too long to fill", "backwards"],
)
def test_missing_time_is_counted_in_timestamps(timestamps, missing):
    clock = TimestampClock(max_fill=9600)
    assert [clock.missing_before(timestamp, 960) for timestamp in timestamps] == missing


def test_negative_fill_is_refused():
    with pytest.raises(ValueError, match="max_fill"):
        TimestampClock(-1)
