import pytest

from voiceagent.audio.framing import FRAME_SAMPLES, PACKET_SAMPLES
from voiceagent.gateway.phone.beat import lead_samples


@pytest.mark.parametrize("came_us", [0, 1, 19_999, 20_000, 61_234, 79_999, 7_654_321_000])
@pytest.mark.parametrize("first", [PACKET_SAMPLES, 3 * PACKET_SAMPLES, 5 * PACKET_SAMPLES])
def test_frames_are_whole_within_a_packet_after_the_beat_whenever_sound_begins(came_us, first):
    lead = lead_samples(came_us, first)
    assert 0 <= lead < FRAME_SAMPLES
    filled, now_us = (lead + first) % FRAME_SAMPLES, came_us
    while filled:
        filled, now_us = (filled + PACKET_SAMPLES) % FRAME_SAMPLES, now_us + 20_000
    assert now_us % 80_000 < 20_000


def test_no_part_of_a_packet_waits():
    assert lead_samples(35_000, 480) % PACKET_SAMPLES == 0
    assert lead_samples(35_000, 480) + 480 == PACKET_SAMPLES
