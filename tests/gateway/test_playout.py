import numpy as np
import pytest

from voiceagent.audio.framing import FRAME_SAMPLES, PACKET_SAMPLES
from voiceagent.gateway.playout import (
    CALM_PACKETS,
    FADE_SAMPLES,
    MAX_SLACK_PACKETS,
    WINDOW_PACKETS,
    AgentPlayout,
    Pacer,
    PlayoutBuffer,
)


def ones(count):
    return np.ones(count, np.float32)


def test_packets_are_due_each_20_ms_from_the_first():
    pacer = Pacer()
    assert pacer.wait_us(1_000) == 0
    assert pacer.take(1_000) == (0, 0)
    assert pacer.wait_us(5_000) == 16_000
    assert pacer.take(21_000) == (1, 0)


def test_a_packet_a_little_late_is_sent_and_the_next_catches_up():
    pacer = Pacer()
    pacer.wait_us(0)
    assert [pacer.take(now) for now in (0, 70_000, 70_000, 70_000)] == [
        *((0, 0), (1, 0), (2, 0), (3, 0)),
    ]
    assert pacer.wait_us(70_000) == 10_000


def test_after_a_stall_packets_are_skipped_and_none_is_sent_in_a_burst():
    pacer = Pacer()
    pacer.wait_us(0)
    pacer.take(0)
    assert pacer.take(325_000) == (16, 15)
    assert pacer.wait_us(325_000) == 15_000


def test_pushed_sound_comes_out_in_order_in_packets():
    buffer, sound = PlayoutBuffer(), np.linspace(0.1, 0.9, FRAME_SAMPLES, dtype=np.float32)
    buffer.push(sound)
    out = np.concatenate([buffer.take() for _ in range(4)])
    np.testing.assert_array_equal(out[PACKET_SAMPLES:], sound[PACKET_SAMPLES:])


def test_silence_before_the_first_sound_is_no_underrun():
    buffer = PlayoutBuffer()
    assert not buffer.take().any()
    assert buffer.counts.underruns == 0


def test_a_sound_that_stops_short_is_faded_and_counted_once():
    buffer = PlayoutBuffer()
    buffer.push(ones(PACKET_SAMPLES + 200))
    buffer.take()
    packet = buffer.take()
    assert packet[199] == 0
    assert packet[0] == 1
    buffer.take()
    assert buffer.counts.underruns == 1


def test_too_much_sound_drops_the_oldest_and_counts_it():
    buffer = PlayoutBuffer(max_queued_ms=100)
    buffer.push(np.concatenate([ones(FRAME_SAMPLES), 2 * ones(FRAME_SAMPLES)]))
    assert buffer.queued_ms == 100
    assert buffer.counts.dropped_samples == 2 * FRAME_SAMPLES - 2400
    assert buffer.take()[200] == 1


def test_one_push_larger_than_the_buffer_keeps_its_newest():
    buffer = PlayoutBuffer(max_queued_ms=40)
    buffer.push(np.arange(48_000, dtype=np.float32))
    assert buffer.queued_ms == 40
    buffer.take()
    assert buffer.take()[-1] == 47_999


def test_flush_goes_over_to_the_new_sound_at_once_and_without_a_click():
    buffer = PlayoutBuffer()
    buffer.push(ones(FRAME_SAMPLES))
    buffer.take()
    buffer.flush(np.zeros(FRAME_SAMPLES, np.float32))
    packet = buffer.take()
    assert np.abs(np.diff(packet)).max() < 0.02
    assert not packet[FADE_SAMPLES:].any()
    assert (buffer.queued_ms, buffer.counts.flushed_samples) == (60, 1440)


def test_flush_of_an_empty_queue_is_a_push():
    buffer = PlayoutBuffer()
    buffer.flush(ones(FRAME_SAMPLES))
    assert (buffer.queued_ms, buffer.counts.flushed_samples) == (80, 0)


def steady(buffer, frames):
    """Each 80 ms one frame, four packets."""
    levels = []
    for _ in range(frames):
        buffer.push(ones(FRAME_SAMPLES))
        for _ in range(4):
            buffer.take()
        levels.append(buffer.queued_ms)
    return levels


def test_sound_that_always_waits_is_cut_out_packet_by_packet_until_none_does():
    buffer = PlayoutBuffer(max_queued_ms=200)
    buffer.push(ones(PACKET_SAMPLES * 5))
    levels = steady(buffer, 100)
    assert levels[0] == 100
    assert levels[-1] < 20
    assert buffer.counts.underruns == 0
    assert buffer.counts.trimmed_samples == 5 * PACKET_SAMPLES


def test_silence_that_always_waits_is_cut_out_at_once():
    buffer, frame = PlayoutBuffer(max_queued_ms=200), np.zeros(FRAME_SAMPLES, np.float32)
    buffer.push(frame[: PACKET_SAMPLES * 4])
    for _ in range(WINDOW_PACKETS // 4 + 1):
        buffer.push(frame)
        for _ in range(4):
            buffer.take()
    assert buffer.queued_ms == 0
    assert buffer.counts.trimmed_samples == 4 * PACKET_SAMPLES


def test_a_steady_stream_without_excess_is_never_cut():
    buffer = PlayoutBuffer()
    steady(buffer, 200)
    assert buffer.counts.trimmed_samples == 0


def test_a_cut_that_made_an_underrun_leaves_more_waiting_afterwards():
    buffer = PlayoutBuffer(max_queued_ms=200)
    buffer.push(ones(PACKET_SAMPLES))
    steady(buffer, WINDOW_PACKETS)
    buffer.take()
    buffer.push(ones(PACKET_SAMPLES * 2))
    steady(buffer, WINDOW_PACKETS * 2)
    assert buffer.queued_ms >= 20


def test_slack_is_bounded_and_given_back_in_calm():
    buffer = PlayoutBuffer()
    for _ in range(MAX_SLACK_PACKETS + 2):
        buffer._since_trim, buffer._is_playing = 0, True
        buffer.take()
    assert buffer._slack_packets == MAX_SLACK_PACKETS
    steady(buffer, CALM_PACKETS // 4 * MAX_SLACK_PACKETS + 10)
    assert buffer._slack_packets == 0


def test_a_buffer_too_small_for_two_packets_is_refused():
    with pytest.raises(ValueError, match="max_queued_ms"):
        PlayoutBuffer(max_queued_ms=20)


def test_a_listener_has_had_what_the_packets_held():
    playout = AgentPlayout()
    playout.push(ones(FRAME_SAMPLES), step=0)
    for number in range(4):
        playout.take(number)
    assert [playout.heard_ms(ms) for ms in (-50, 0, 20, 45, 80, 500)] == [0, 0, 20, 40, 80, 80]
