import numpy as np
import pytest

from voiceagent.testing.handset import Handset

pytestmark = pytest.mark.asyncio


class Source:
    """Takes packets, as LiveKit does, until the telephone is switched off."""

    def __init__(self, count):
        self.frames, self.count = [], count

    async def capture_frame(self, frame):
        self.frames.append(np.frombuffer(frame.data, np.int16))

    def is_on(self):
        return len(self.frames) < self.count


async def sent(handset, *, is_answered, packets=3):
    source = Source(2 * packets)
    await handset.speak(source, source.is_on, lambda: is_answered)
    return np.concatenate(source.frames)


async def test_a_dead_microphone_sends_silence_and_another_one_its_room():
    assert np.abs(await sent(Handset("PCMU", None), is_answered=True)).max() <= 8
    assert np.abs(await sent(Handset("PCMU", -40.0), is_answered=True)).max() > 100


async def test_what_is_said_waits_until_somebody_has_answered():
    handset = Handset("PCMA", None)
    handset._said.put_nowait(np.full(160, 0.5, np.float32))
    assert np.abs(await sent(handset, is_answered=False)).max() <= 8
    pcm = await sent(handset, is_answered=True)
    assert pcm[:160] / 32_768 == pytest.approx(0.5, abs=0.02)


async def test_what_arrived_is_heard_through_the_line_between_two_times():
    handset = Handset("PCMU", None)
    for number in range(4):
        handset._waiting.append(np.full(160, 1000 * number, np.int16))
        handset._arrived_s.append(0.02 * number)
    heard = handset.heard(0.01, 0.05)
    assert heard.pcm.size == 320
    assert heard.pcm[-1] * 32_768 == pytest.approx(2000, rel=0.05)
    assert heard.arrived_s.tolist() == [0.02, 0.04]
    assert heard.first_loud_s(above=0.05) == pytest.approx(0.04)
    assert handset.heard().pcm.size == 640
