import asyncio

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from voiceagent.audio.framing import PACKET_SAMPLES
from voiceagent.audio.opus import OpusDecoder
from voiceagent.gateway.track import PlayoutTrack


class SleepingClock:
    """Time passes only where somebody sleeps."""

    def __init__(self):
        self.us = 0

    def now_us(self):
        return self.us

    async def sleep(self, seconds):
        self.us += round(seconds * 1e6)


def receive(track, count):
    async def run():
        return [await track.recv() for _ in range(count)]

    return asyncio.run(run())


def tone():
    return np.float32(0.5) * np.sin(np.arange(1920) / 10).astype(np.float32)


def loudest(packets):
    decoder = OpusDecoder()
    return np.abs(np.concatenate([decoder.decode(bytes(packet)) for packet in packets])).max()


@pytest.fixture
def clock():
    return SleepingClock()


@pytest.fixture
def track(clock):
    return PlayoutTrack(clock, clock.sleep)


def test_packets_leave_each_20_ms_with_times_to_match(track, clock):
    packets = receive(track, 4)
    assert [packet.pts for packet in packets] == [n * PACKET_SAMPLES for n in range(4)]
    assert clock.us == 60_000


def test_pushed_sound_can_be_heard_in_the_packets(track):
    receive(track, 1)
    track.push(tone())
    assert loudest(receive(track, 4)) > 0.3
    assert track.queued_ms == 0


def test_sound_from_before_the_first_packet_is_past_and_waits_for_nobody(track):
    track.push(tone())
    assert loudest(receive(track, 4)) < 0.01
    assert track.counts.dropped_samples == 0


def test_after_a_stall_the_packet_time_has_a_hole(track, clock):
    receive(track, 2)
    clock.us += 400_000
    assert receive(track, 1)[0].pts == 21 * PACKET_SAMPLES
    assert track.counts.skipped_packets == 19


def test_a_stopped_track_ends(track):
    track.stop()
    with pytest.raises(MediaStreamError):
        receive(track, 1)


def silence():
    return np.zeros(1920, np.float32)


def test_sound_of_a_new_generation_makes_void_what_waits(track):
    receive(track, 1)
    track.push(tone(), 0)
    track.push(silence(), 1, generation=1)
    assert track.queued_ms == 80
    assert loudest(receive(track, 5)[1:]) < 0.05
    track.push(tone(), 2, generation=1)
    track.push(tone(), 3, generation=1)
    assert track.counts.flushed_samples == 1920


def test_what_a_listener_has_had_is_what_its_packets_held(track):
    receive(track, 2)  # 40 ms of nothing, before the first frame
    track.push(tone(), 0)
    receive(track, 4)
    assert [track.heard_ms(ms) for ms in (0, 40, 60, 79, 100, 120, 500)] == [
        *(0, 0, 20, 20, 60, 80, 80)
    ]


def test_frames_that_never_came_and_sound_that_was_void_count_as_had(track):
    receive(track, 1)
    track.push(tone(), 0)
    track.push(tone(), 3, generation=1)
    receive(track, 1)
    assert track.heard_ms(40) == 3 * 80 + 20
