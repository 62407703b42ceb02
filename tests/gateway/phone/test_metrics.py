from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from voiceagent.gateway.phone.ear import Ear
from voiceagent.gateway.phone.metrics import PhoneMetrics
from voiceagent.gateway.phone.mouth import Mouth


def call(frames_in, age_us=0, is_lost=False):
    ear = Ear()
    ear.frames, ear.age_us, ear.max_age_us = frames_in, age_us, 2 * age_us
    return SimpleNamespace(
        leg=SimpleNamespace(ear=ear),
        speaker=SimpleNamespace(mouth=Mouth()),
        texts=SimpleNamespace(dropped=1),
        frames=10,
        operator=SimpleNamespace(keys_received=2),
        reconnects=1,
        is_lost=is_lost,
    )


def read(metrics):
    registry = CollectorRegistry()
    registry.register(metrics)
    lines = generate_latest(registry).decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name.removeprefix("voiceagent_phone_"): float(value) for name, value in pairs}


@pytest.fixture
def calls():
    return []


@pytest.fixture
def metrics(calls):
    return PhoneMetrics(lambda: calls)


def test_counters_are_of_past_and_present_calls(metrics, calls):
    metrics.count_end(call(100))
    calls.append(call(50))
    values = read(metrics)
    assert values["frames_in_total"] == 150
    assert values["keys_in_total"] == 4
    assert values["reconnects_total"] == 2
    assert read(metrics) == values


def test_the_age_of_frames_is_the_worst_of_the_calls_that_go_on(metrics, calls):
    calls += [call(1, 300), call(1, 700, is_lost=True)]
    values = read(metrics)
    assert (values["frame_age_us"], values["frame_age_max_us"]) == (700, 1400)
    assert (values["calls_active"], values["calls_lost"]) == (2, 1)


def test_what_happens_is_counted(metrics):
    metrics.count_call()
    metrics.count_told()
    metrics.count_refusal()
    values = read(metrics)
    counted = ("calls_total", "calls_at_capacity_total", "jobs_refused_total")
    assert [values[name] for name in counted] == [1, 1, 1]


def test_registrations_are_counted_and_the_present_state_is_shown(metrics):
    assert not metrics.has_registered
    metrics.set_registered(True)
    metrics.set_registered(False)
    assert metrics.has_registered
    values = read(metrics)
    assert (values["registered"], values["registrations_total"]) == (0, 1)
