import pytest

from voiceagent.serving.scheduler import Scheduler


@pytest.fixture
def scheduler(clock):
    return Scheduler(clock, max_queued_frames=3)


def test_slots_with_a_complete_frame_are_ready_and_wait_for_nobody(scheduler, clock):
    for slot in (0, 1, 2):
        scheduler.open(slot)
    clock.advance_ms(80)
    scheduler.complete(2, clock.now_us())
    scheduler.complete(0, clock.now_us())
    assert scheduler.ready() == [0, 2]
    assert scheduler.wait_us(1000) == 0


def test_stepped_frame_is_off_the_books_and_says_when_it_was_complete(scheduler, clock):
    scheduler.open(0)
    complete_us = clock.now_us()
    scheduler.complete(0, complete_us)
    clock.advance_ms(30)
    assert scheduler.stepped(0) == complete_us
    assert scheduler.ready() == []


@pytest.mark.parametrize(("step_ms", "missed"), [(80, 0), (80.001, 1)])
def test_step_that_ends_later_than_80_ms_misses_its_deadline(scheduler, clock, step_ms, missed):
    scheduler.open(0)
    scheduler.complete(0, clock.now_us())
    clock.advance_ms(step_ms)
    scheduler.stepped(0)
    assert scheduler.missed_deadlines == missed


def test_slot_without_a_frame_for_160_ms_is_owed_silence_every_80_ms(scheduler, clock):
    scheduler.open(0)
    owed_at_ms = []
    for time_ms in range(0, 500, 10):
        if scheduler.starved():
            owed_at_ms.append(time_ms)
            scheduler.stepped(0)
        clock.advance_ms(10)
    assert owed_at_ms == [160, 240, 320, 400, 480]
    assert scheduler.silent_frames == 5


def test_frames_in_time_are_never_joined_by_silence(scheduler, clock):
    scheduler.open(0)
    for jitter_ms in (0, 70, -70, 40, 0):
        clock.advance_ms(80 + jitter_ms)
        assert scheduler.starved() == []
        scheduler.complete(0, clock.now_us())
        scheduler.stepped(0)


def test_waiting_frame_keeps_silence_away_however_long_the_step_takes(scheduler, clock):
    scheduler.open(0)
    scheduler.complete(0, clock.now_us())
    clock.advance_ms(1000)
    assert scheduler.starved() == []


def test_pause_of_the_engine_is_not_paid_back_in_silence(scheduler, clock):
    scheduler.open(0)
    clock.advance_ms(10_000)
    assert scheduler.starved() == [0]
    scheduler.stepped(0)
    assert scheduler.starved() == []
    clock.advance_ms(80)
    assert scheduler.starved() == [0]


def stall(scheduler, clock, silences):
    scheduler.open(0)
    clock.advance_ms(80)
    for _ in range(silences):
        clock.advance_ms(80)
        assert scheduler.starved() == [0]
        scheduler.stepped(0)


def burst(scheduler, clock, frames, gap_ms=1):
    surplus = []
    for _ in range(frames):
        clock.advance_ms(gap_ms)
        surplus.append(scheduler.complete(0, clock.now_us()))
    return surplus


def test_burst_after_silence_is_surplus_by_as_many_frames_as_silence_was_fed(scheduler, clock):
    stall(scheduler, clock, silences=2)
    assert burst(scheduler, clock, 5) == [False, True, True, False, False]
    assert (len(scheduler.ready()), scheduler.late_frames) == (1, 2)


def test_surplus_frames_are_the_oldest(scheduler, clock):
    stall(scheduler, clock, silences=2)
    burst(scheduler, clock, 3)
    assert scheduler.stepped(0) == clock.now_us()


def test_frames_that_come_in_a_burst_without_a_stall_are_all_heard(scheduler, clock):
    stall(scheduler, clock, silences=0)
    assert not any(burst(scheduler, clock, 3))


def test_sound_at_a_conversation_s_pace_after_silence_is_never_surplus(scheduler, clock):
    stall(scheduler, clock, silences=5)
    for _ in range(10):
        assert burst(scheduler, clock, 1, gap_ms=80) == [False]
        scheduler.stepped(0)


def test_burst_long_after_a_muted_track_is_heard(scheduler, clock):
    stall(scheduler, clock, silences=5)
    for _ in range(5):
        burst(scheduler, clock, 1, gap_ms=80)
        scheduler.stepped(0)
    assert not any(burst(scheduler, clock, 2))


def test_full_queue_forgets_the_oldest_frame_as_the_samples_do(scheduler, clock):
    scheduler.open(0)
    for _ in range(4):
        clock.advance_ms(1)
        scheduler.complete(0, clock.now_us())
    assert scheduler.stepped(0) == clock.now_us() - 2000


@pytest.mark.parametrize("offset_ms", [-5000, 5000])
def test_completion_by_another_clock_is_taken_as_the_nearest_possible_time(
    scheduler, clock, offset_ms
):
    scheduler.open(0)
    opened_us = clock.now_us()
    clock.advance_ms(80)
    scheduler.complete(0, clock.now_us() + offset_ms * 1000)
    assert opened_us <= scheduler.stepped(0) <= clock.now_us()


def test_wait_ends_when_the_first_slot_starves(scheduler, clock):
    assert scheduler.wait_us(250_000) == 250_000
    scheduler.open(0)
    clock.advance_ms(100)
    scheduler.open(1)
    assert scheduler.wait_us(250_000) == 60_000
    scheduler.close(0)
    assert scheduler.wait_us(250_000) == 160_000


def test_time_to_spare_ends_where_the_next_frame_of_any_slot_would_be_answered_late(
    scheduler, clock
):
    assert scheduler.spare_us(30_000) > 10**9
    scheduler.open(0)
    assert scheduler.spare_us(30_000) == 130_000  # complete in 80 ms, answered 80 ms later
    clock.advance_ms(50)
    scheduler.open(1)
    assert scheduler.spare_us(30_000) == 80_000
    scheduler.complete(1, clock.now_us())
    assert scheduler.spare_us(30_000) == 50_000
    scheduler.stepped(1)
    assert scheduler.spare_us(30_000) == 80_000
