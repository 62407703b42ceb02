import numpy as np

from voiceagent.gateway.phone.ear import MAX_WAITING_FRAMES, WINDOW_US, Ear, FrameAges


def sound(level=0.1):
    return np.full(480, level, np.float32)


def test_what_was_heard_is_taken_in_order():
    ear = Ear()
    assert ear.hear(sound(0.1), 0)
    assert not ear.hear(sound(0.2), 10_000)
    np.testing.assert_array_equal(ear.take(), np.concatenate([sound(0.1), sound(0.2)]))
    assert ear.take().size == 0
    assert ear.hear(sound(), 20_000)


def test_after_a_stall_the_oldest_is_dropped_and_counted():
    ear = Ear()
    for number in range(50):
        ear.hear(sound(number / 100), 500_000)
    assert ear.dropped_frames == 50 - MAX_WAITING_FRAMES
    assert ear.take()[0] == np.float32(0.4)


def test_digital_silence_is_not_heard_and_a_quiet_room_is():
    ear = Ear()
    ear.hear(sound(1e-6), 10_000)
    assert ear.heard_us is None
    ear.hear(sound(1e-3), 20_000)
    assert ear.heard_us == 20_000


def test_frames_that_come_late_are_known_by_their_age():
    ear = Ear()
    for time_us in (0, 20_000, 40_000, 120_000):
        ear.hear(sound(), time_us)
    assert (ear.age_us, ear.max_age_us) == (60_000, 60_000)
    ear.hear(sound(), 120_000)
    assert (ear.age_us, ear.max_age_us) == (40_000, 60_000)


def test_ages_are_counted_from_the_earliest_frame_of_the_last_seconds():
    ages = FrameAges()
    assert [ages.add(time_us, 10_000) for time_us in (50_000, 10_000, 40_000)] == [0, 0, 20_000]
    assert ages.add(40_000 + 2 * WINDOW_US, 10_000) == 0


def test_another_stream_has_a_timing_of_its_own():
    ear = Ear()
    ear.hear(sound(), 0)
    ear.restart()
    ear.hear(sound(), 5_000_000)
    assert ear.age_us == 0


def test_a_clock_that_drifts_is_followed():
    ages = FrameAges()
    step_us = 10_001  # 100 ppm
    late = [ages.add(n * step_us, 10_000) for n in range(3000)]
    assert max(late) <= WINDOW_US // 10_000 + 1
