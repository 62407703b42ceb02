import asyncio
import threading

import pytest

from voiceagent.gateway.live import REST, LiveAxes
from voiceagent.records.axes import EMPTY

pytestmark = pytest.mark.asyncio


class SteppingClock:
    us = 0

    def now_us(self):
        return self.us


@pytest.fixture
def live():
    return LiveAxes(SteppingClock())


def measurement_of(live, took_us, done):
    def begin():
        def measure():
            done.append(threading.current_thread())
            live._clock.us += took_us
            return EMPTY

        return measure

    return begin


async def test_measures_in_a_thread_of_its_own(live):
    done = []
    assert await live.measure(measurement_of(live, 0, done)) is EMPTY
    assert done[0] is not threading.current_thread()


async def test_rests_in_proportion_to_what_a_measurement_took(live):
    await live.measure(measurement_of(live, 100_000, []))
    assert live.rest_s == pytest.approx(0.1 * REST)
    live._clock.us += 100_000 * REST
    assert live.rest_s == 0


async def test_measures_one_conversation_at_a_time_in_the_order_of_asking(live):
    running, seen = 0, []

    def begin(name):
        def measure():
            nonlocal running
            running += 1
            seen.append((name, running))
            running -= 1
            return EMPTY

        return lambda: measure

    await asyncio.gather(*(live.measure(begin(name)) for name in "abc"))
    assert seen == [("a", 1), ("b", 1), ("c", 1)]


async def test_a_conversation_that_ends_while_it_waits_holds_up_nobody(live):
    await live.measure(measurement_of(live, 10_000_000, []))
    waiting = asyncio.create_task(live.measure(measurement_of(live, 0, [])))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    live._clock.us += 10_000_000 * REST
    assert await live.measure(measurement_of(live, 0, [])) is EMPTY
