import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from voiceagent.gateway.axes_metrics import AxesMetrics
from voiceagent.records.store import RecordStore
from voiceagent.testing.decided import record_call


@pytest.fixture(scope="module")
def axes(tmp_path_factory):
    """Of a call with a pause, two answers and an interruption."""
    folder = tmp_path_factory.mktemp("records")
    session_id = asyncio.run(record_call(folder))
    return RecordStore(folder).summary(session_id).axes


@pytest.fixture
def metrics():
    return AxesMetrics()


def read(metrics):
    registry = CollectorRegistry()
    registry.register(metrics)
    lines = generate_latest(registry).decode().splitlines()
    return {key: float(value) for key, value in (x.rsplit(" ", 1) for x in lines if x[0] != "#")}


def test_events_are_counted_by_kind_and_outcome(metrics, axes):
    metrics.count(axes)
    metrics.count(axes)
    values = read(metrics)
    assert values['voiceagent_turn_events_total{kind="pause",outcome="held"}'] == 2
    assert values['voiceagent_turn_events_total{kind="turn",outcome="taken"}'] == 2
    assert values['voiceagent_turn_events_total{kind="interruption",outcome="respond"}'] == 2
    events = [v for key, v in values.items() if key.startswith("voiceagent_turn_events_total")]
    assert sum(events) == 2 * len(axes.events)


def test_times_are_histograms(metrics, axes):
    metrics.count(axes)
    values = read(metrics)
    assert values["voiceagent_turn_latency_ms_count"] == len(axes.latencies_ms) == 1
    assert values["voiceagent_turn_latency_ms_sum"] == axes.latencies_ms[0]
    assert values["voiceagent_stop_ms_sum"] == axes.stops_ms[0]
    assert values["voiceagent_recovery_ms_sum"] == axes.recoveries_ms[0]
    assert values['voiceagent_turn_latency_ms_bucket{le="500.0"}'] == 0
    assert values['voiceagent_turn_latency_ms_bucket{le="1000.0"}'] == 1


def test_before_any_conversation_there_are_no_events(metrics):
    values = read(metrics)
    assert values["voiceagent_turn_latency_ms_count"] == 0
    assert not any("kind=" in key for key in values)


def test_two_gateways_in_a_process_count_apart(axes):
    one, other = AxesMetrics(), AxesMetrics()
    one.count(axes)
    assert read(other)["voiceagent_stop_ms_count"] == 0
