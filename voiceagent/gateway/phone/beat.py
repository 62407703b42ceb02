"""A beat that all calls of a machine share, so that one step of the engine serves many of them.

A frame is whole when its last sample has come. Where that happens is free to choose, once, when a
call begins to be listened to: a little silence before its first sound shifts all frames after it.
Nobody waits for anybody, and no sound gets later. One step of the embedded model takes 17 ms for
one call and 26 ms for four. Pure.
"""

from __future__ import annotations

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, PACKET_SAMPLES

_FRAME_US = FRAME_MS * 1000


def lead_samples(now_us: int, first_samples: int) -> int:
    """Silence to put before the first sound of a stream, 0 to a frame less a sample.

    With it, frames become whole within a packet (20 ms) after a whole multiple of 80 ms of the
    clock, and in the moment in which a packet comes, so that no part of one has to wait.

    Args:
        now_us: the present, of a clock that all calls share.
        first_samples: of the sound that has just come.
    """
    since_beat = now_us % _FRAME_US * FRAME_SAMPLES // _FRAME_US
    whole_packets = since_beat // PACKET_SAMPLES * PACKET_SAMPLES
    return (whole_packets - first_samples) % FRAME_SAMPLES
