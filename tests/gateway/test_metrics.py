from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from voiceagent.audio.jitter import JitterCounts
from voiceagent.gateway.metrics import GatewayMetrics
from voiceagent.gateway.playout import PlayoutCounts
from voiceagent.records.axes import Axes
from voiceagent.records.conversation import ESTIMATED
from voiceagent.records.events import Event
from voiceagent.serving.messages import EngineStatus

STUCK = {"kind": "stuck", "outcome": "stuck", "start_ms": 0, "end_ms": 5000}


def peer(received, lost):
    inbound = SimpleNamespace(
        counts=JitterCounts(received=received, lost=lost), bad_packets=0, concealed_ms=20 * lost
    )
    connection = SimpleNamespace(
        inbound=inbound,
        track=SimpleNamespace(counts=PlayoutCounts(underruns=2), queued_ms=60),
        messages=SimpleNamespace(ignored=1),
        dropped_packets=0,
        dropped_messages=0,
    )
    return SimpleNamespace(connection=connection, frames=10)


def read(metrics):
    registry = CollectorRegistry()
    registry.register(metrics)
    lines = generate_latest(registry).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


@pytest.fixture
def peers():
    return []


@pytest.fixture
def metrics(peers):
    return GatewayMetrics(lambda: peers)


def test_counters_are_of_past_and_present_conversations(metrics, peers):
    metrics.count_end(peer(100, 3))
    peers.append(peer(50, 1))
    values = read(metrics)
    assert values["voiceagent_packets_received_total"] == "150.0"
    assert values["voiceagent_concealed_ms_total"] == "80.0"
    assert values["voiceagent_sessions_active"] == "1.0"
    assert values["voiceagent_playout_queued_ms"] == "60.0"


def test_reading_twice_counts_nothing_twice(metrics, peers):
    peers.append(peer(50, 1))
    assert read(metrics) == read(metrics)


def test_sessions_and_refusals_are_counted(metrics):
    metrics.count_session()
    metrics.count_refusal(503)
    values = read(metrics)
    assert values["voiceagent_sessions_total"] == "1.0"
    assert values['voiceagent_requests_refused_total{status="503"}'] == "1.0"


def test_an_engine_that_does_not_answer_is_down(metrics):
    assert read(metrics)["voiceagent_engine_up"] == "0.0"


def test_an_engine_that_answers_is_shown_with_slots_and_steps(metrics):
    metrics.engine = EngineStatus(
        "echo", True, ("a",), 1, 4, 3, **dict.fromkeys(EngineStatus.__slots__[6:], 7)
    )
    values = read(metrics)
    assert values["voiceagent_engine_num_free"] == "3.0"
    assert values["voiceagent_engine_missed_deadlines_total"] == "7.0"


def test_how_ended_conversations_went_is_among_them(metrics):
    metrics.axes.count(Axes(labels=ESTIMATED, events=(Event(**STUCK),)))
    assert read(metrics)['voiceagent_turn_events_total{kind="stuck",outcome="stuck"}'] == "1.0"
