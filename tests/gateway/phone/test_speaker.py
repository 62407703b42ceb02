import asyncio

import numpy as np
import pytest

from voiceagent.errors import RoomError
from voiceagent.gateway.phone.mouth import Mouth
from voiceagent.gateway.phone.speaker import OUT_LAG_MS, Speaker

pytestmark = pytest.mark.asyncio


class Leg:
    """Takes packets, as a room does, until it is gone."""

    def __init__(self, count=10_000):
        self.packets = []
        self.count = count

    async def send(self, pcm):
        if len(self.packets) == self.count:
            raise RoomError("r", "gone")
        self.packets.append(pcm)


class SteppingClock:
    """Time that passes by 20 ms whenever it is looked at twice, and by a stall once."""

    def __init__(self, stall_us=0):
        self.us, self.looks, self.stall_us = 0, 0, stall_us

    def now_us(self):
        self.looks += 1
        if self.looks % 2 == 0:
            self.us += 20_000
        if self.looks == 20:
            self.us += self.stall_us
        return self.us


async def spoken(speaker, until):
    task = asyncio.create_task(speaker.run())
    async with asyncio.timeout(5):
        while not until():  # noqa: ASYNC110
            await asyncio.sleep(0)
    task.cancel()


async def test_what_is_said_reaches_the_leg_packet_by_packet():
    speaker, leg = Speaker(Mouth(), SteppingClock()), Leg()
    speaker.leg = leg
    speaker.mouth.say(np.full(960, 0.5, np.float32))
    await spoken(speaker, lambda: len(leg.packets) >= 3)
    assert [packet.size for packet in leg.packets[:3]] == [480] * 3
    assert [packet.max() for packet in leg.packets[:3]] == [0.5, 0.5, 0]


async def test_after_a_stall_nothing_is_sent_in_a_burst():
    speaker, leg = Speaker(Mouth(), SteppingClock(stall_us=500_000)), Leg()
    speaker.leg = leg
    await spoken(speaker, lambda: speaker._pacer.packet > 45)
    assert speaker.mouth.playout.counts.skipped_packets >= 22
    assert len(leg.packets) <= 25


async def test_a_leg_that_is_gone_is_left_and_time_goes_on(caplog):
    speaker, leg = Speaker(Mouth(), SteppingClock()), Leg(count=2)
    speaker.leg = leg
    await spoken(speaker, lambda: speaker._pacer.packet > 10)
    assert speaker.leg is None
    assert "gone" in caplog.text


async def test_what_the_caller_has_heard_is_reported_with_the_lag_of_the_line():
    heard, speaker = [], Speaker(Mouth(), SteppingClock())
    speaker.on_heard = heard.append
    for step in range(1):
        speaker.mouth.push(np.zeros(1920, np.float32), step, 0)
    await spoken(speaker, lambda: len(heard) >= 3)
    assert heard[0] == 0
    assert heard[2] == 80  # 480 ms sent, less the lag, is more than the one frame
    assert OUT_LAG_MS < 480
