import asyncio
from types import SimpleNamespace

import pytest
import pytest_asyncio

from voiceagent.gateway import connection, rtvi
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.connection import Peer
from voiceagent.gateway.live import LiveAxes
from voiceagent.gateway.playout import PlayoutCounts
from voiceagent.gateway.recording import Origin, recorded
from voiceagent.records.axes import EMPTY
from voiceagent.records.config import RecordsConfig

pytestmark = pytest.mark.asyncio

SECOND_US = 1_000_000


class SteppingClock:
    us = 0

    def now_us(self):
        return self.us


@pytest_asyncio.fixture
async def peer():
    clock = SteppingClock()
    connection = SimpleNamespace(
        pc=SimpleNamespace(connectionState="connected"),
        track=SimpleNamespace(counts=PlayoutCounts(), queued_ms=40),
        dropped_packets=0,
        seen_us=0,
        on_goodbye=None,
    )
    played = []
    port = SimpleNamespace(
        dropped_in_frames=0, dropped_out_frames=0, played=played.append, reports=played
    )
    config = GatewayConfig(vanish_after_s=3, connect_timeout_s=15, max_session_s=100)
    return Peer(connection, port, config, clock)


async def test_a_peer_that_is_heard_may_go_on(peer):
    peer._clock.us = peer.connection.seen_us = 50 * SECOND_US
    assert peer.overdue() is None


async def test_a_peer_that_is_not_heard_has_vanished(peer):
    peer._clock.us = 3 * SECOND_US + 1
    assert "vanished" in peer.overdue()


async def test_a_peer_that_never_connects_is_given_up(peer):
    peer.connection.pc.connectionState = "connecting"
    peer._clock.us = 14 * SECOND_US
    assert peer.overdue() is None
    peer._clock.us = 16 * SECOND_US
    assert peer.overdue() == "not connected within 15 s"


async def test_no_conversation_is_longer_than_the_longest(peer):
    peer._clock.us = peer.connection.seen_us = 101 * SECOND_US
    assert peer.overdue() == "longer than 100 s"


async def test_the_first_reason_stays(peer):
    peer.end("one")
    peer.end("two")
    assert await asyncio.wait_for(peer._reason, 1) == "one"


async def test_what_was_heard_is_told_to_the_engine(peer):
    peer.connection.on_heard(640)
    assert peer.port.reports == [640]


async def test_the_peer_connection_can_end_it(peer):
    peer.connection.on_goodbye("gone")
    assert await peer._reason == "gone"


async def test_stats_add_up_what_was_lost_both_ways(peer):
    peer.port.dropped_in_frames, peer.port.dropped_out_frames = 1, 2
    peer.connection.dropped_packets = 4
    peer.connection.track.counts.dropped_samples = 1920 * 3
    peer._on_frame(SimpleNamespace(step_us=20_000, lag_us=30_000))
    assert peer.stats() == {
        "t": "stats",
        "step_us": 20_000,
        "lag_us": 30_000,
        "queued_ms": 40,
        "dropped_frames": 7,
    }


@pytest.fixture
def port(tmp_path):
    return recorded(
        SimpleNamespace(is_prompted=False), RecordsConfig(dir=tmp_path), Origin(model="nano")
    )


@pytest.fixture
def told(peer, port, monkeypatch):
    """Tells a recorded peer how it goes; returns what it was told, once that was something."""
    monkeypatch.setattr(connection, "AXES_EVERY_S", 0)
    messages = []
    peer.connection.send = messages.append

    async def tell():
        task = peer.tell_axes(port, LiveAxes(peer._clock))
        async with asyncio.timeout(5):
            while not (messages or task.done()):  # noqa: ASYNC110  # nothing here says when
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return messages

    return tell


async def test_a_recorded_peer_is_told_how_it_goes(told):
    assert (await told())[0] == rtvi.server_message(rtvi.axes(EMPTY.brief(), "nobody", None))


async def test_an_estimate_that_fails_is_logged_and_ends_no_call(told, port, monkeypatch, caplog):
    def fail(frames_lost):
        raise ArithmeticError("no such share")

    monkeypatch.setattr(port, "measurement", fail)
    assert await told() == []
    assert "no such share" in caplog.text
