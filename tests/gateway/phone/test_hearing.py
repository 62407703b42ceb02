import asyncio

import numpy as np
import pytest
from livekit import rtc

from voiceagent.audio.level import rms_dbfs
from voiceagent.clock import MonotonicClock
from voiceagent.gateway.phone.ear import Ear
from voiceagent.gateway.phone.hearing import Hearing

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]
TONE = (8_000 * np.sin(np.arange(240) / 5)).astype(np.int16)


class Speaking:
    """A track of this machine, with 10 ms of a tone when told."""

    def __init__(self):
        self._source = rtc.AudioSource(24_000, 1, queue_size_ms=0)
        self.track = rtc.LocalAudioTrack.create_audio_track("t", self._source)

    async def say(self, times):
        for _ in range(times):
            await self._source.capture_frame(rtc.AudioFrame(TONE.tobytes(), 24_000, 1, 240))
            await asyncio.sleep(0.005)


@pytest.fixture
def ear():
    return Ear()


async def test_a_track_is_heard_in_frames_of_20_ms_and_said_once_until_taken(ear):
    told, speaking = [], Speaking()
    hearing = Hearing(ear, MonotonicClock(), lambda: told.append(1))
    hearing.listen(speaking.track)
    await speaking.say(10)
    assert told == [1]
    pcm = ear.take()
    assert pcm.size % 480 == 0
    assert rms_dbfs(pcm) > -20
    hearing.stop()


async def test_a_newer_track_takes_the_place_of_the_one_before(ear):
    old, new = Speaking(), Speaking()
    hearing = Hearing(ear, MonotonicClock(), lambda: None)
    hearing.listen(old.track)
    await old.say(4)
    hearing.listen(new.track)
    await asyncio.sleep(0.1)
    ear.take()
    await old.say(10)
    assert ear.take().size == 0
    await new.say(10)
    assert ear.take().size > 0
    hearing.stop()
