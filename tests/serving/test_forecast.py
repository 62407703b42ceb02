import pytest

from voiceagent.serving.forecast import MEASURED_STEPS, WARM_UP_STEPS, forecast, most_in_time
from voiceagent.serving.step import BatchStep


class TickingClock:
    """Each look at it takes as long as the last step's batch makes it."""

    def __init__(self):
        self.time_us = 0
        self.step_us = 0

    def now_us(self):
        self.time_us += self.step_us
        return self.time_us


class TimedBatch(BatchStep):
    """A step takes 30 ms a conversation by the clock, and counts."""

    def __init__(self, codec, decoder, num_slots, clock):
        super().__init__(codec, decoder, num_slots)
        self.clock = clock
        self.steps = 0

    def run(self, inputs):
        self.steps += 1
        self.clock.step_us = 30_000 * len(inputs)
        return [], len(inputs)


@pytest.fixture
def batch(nano_codec, nano_decoder):
    return TimedBatch(nano_codec, nano_decoder, 8, TickingClock())


def test_forecast_is_the_time_of_a_step_of_all_slots(batch):
    found = forecast(batch, batch.clock, 2)
    assert (found.num_slots, found.p50_us, found.p99_us) == (2, 60_000, 60_000)
    assert found.is_in_time


def test_forecast_in_time_is_measured_once_and_another_five_times(batch):
    once = WARM_UP_STEPS + MEASURED_STEPS
    forecast(batch, batch.clock, 2)
    assert batch.steps == once
    assert not forecast(batch, batch.clock, 8).is_in_time
    assert batch.steps == 6 * once


def test_most_in_time_halves_until_it_fits(batch):
    assert most_in_time(batch, batch.clock) == 2


@pytest.mark.slow
def test_forecast_leaves_every_slot_fresh_and_counts_full_windows(
    nano_codec, nano_decoder, clock, monkeypatch
):
    monkeypatch.setattr("voiceagent.serving.forecast.MEASURED_STEPS", 2)
    batch = BatchStep(nano_codec, nano_decoder, 2)
    new = BatchStep(nano_codec, nano_decoder, 2).state
    seen = []
    run = batch.run
    monkeypatch.setattr(
        batch, "run", lambda inputs: seen.append(batch.state.decoder.positions.min()) or run(inputs)
    )
    forecast(batch, clock)
    assert min(seen) >= nano_decoder.config.context
    for (tensor, _), (fresh, _) in zip(batch.state.tensors(), new.tensors(), strict=True):
        assert (tensor == fresh).all()
