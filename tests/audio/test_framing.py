import numpy as np
import pytest

from voiceagent.audio.framing import (
    FRAME_SAMPLES,
    PACKET_SAMPLES,
    FrameAssembler,
)


def ramp(count):
    return np.arange(count, dtype=np.float32)


@pytest.mark.parametrize("piece", [1, PACKET_SAMPLES, 1000, FRAME_SAMPLES, 5000])
def test_frames_of_any_packet_size_are_the_samples_in_order(piece):
    assembler, samples = FrameAssembler(100), ramp(3 * FRAME_SAMPLES + 7)
    for start in range(0, len(samples), piece):
        assembler.push(samples[start : start + piece])
    assert assembler.ready == 3
    frames = np.concatenate([assembler.pop() for _ in range(3)])
    np.testing.assert_array_equal(frames, samples[: 3 * FRAME_SAMPLES])


def test_frame_queue_when_full_drops_the_oldest_and_counts_it():
    assembler = FrameAssembler(2)
    assembler.push(ramp(3 * FRAME_SAMPLES))
    assert (assembler.ready, assembler.dropped_frames) == (2, 1)
    assert assembler.pop()[0] == FRAME_SAMPLES


@pytest.mark.parametrize("pcm", [np.zeros((1, 4), np.float32), np.zeros(4), np.zeros(4, np.int16)])
def test_push_of_other_shapes_or_dtypes_is_refused(pcm):
    with pytest.raises(ValueError, match="float32"):
        FrameAssembler(1).push(pcm)


def test_frame_assembler_without_room_is_refused():
    with pytest.raises(ValueError, match="max_frames"):
        FrameAssembler(0)
