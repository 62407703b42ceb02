"""What Prometheus reads: counters of all conversations since the start, and of those that go on.

Units are in the names. Read from the peers when scraped, so that nothing is counted twice and the
media path counts nothing but its own integers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from voiceagent.gateway.axes_metrics import AxesMetrics
from voiceagent.gateway.connection import Peer
from voiceagent.gateway.engine_metrics import engine_metrics
from voiceagent.serving.ports import EngineStatus

_HELP = {
    "packets_received": "RTP packets of clients",
    "packets_lost": "RTP packets that never came",
    "packets_late": "RTP packets that came after their place was given up",
    "packets_bad": "RTP packets that were no Opus",
    "concealed_ms": "sound made up for packets that did not come",
    "packets_dropped": "client packets that the pipeline did not take in time",
    "engine_frames": "80 ms frames from the engine",
    "playout_underruns": "packets to clients filled up with silence",
    "playout_skipped_packets": "packets to clients not sent after a stall",
    "playout_dropped_samples": "samples to clients dropped because too much waited",
    "playout_trimmed_samples": "samples to clients cut out because they always waited",
    "playout_flushed_samples": "samples to clients made void by the agent's falling silent",
    "messages_ignored": "data channel messages that were rubbish or too many",
    "messages_dropped": "data channel messages to clients that do not read",
}


def counts(peer: Peer) -> Counter[str]:
    """The counters of one conversation, by the names of `_HELP`."""
    connection, playout = peer.connection, peer.connection.track.counts
    packets = connection.inbound.counts
    return Counter(
        packets_received=packets.received,
        packets_lost=packets.lost,
        packets_late=packets.late,
        packets_bad=connection.inbound.bad_packets,
        concealed_ms=connection.inbound.concealed_ms,
        packets_dropped=connection.dropped_packets,
        engine_frames=peer.frames,
        playout_underruns=playout.underruns,
        playout_skipped_packets=playout.skipped_packets,
        playout_dropped_samples=playout.dropped_samples,
        playout_trimmed_samples=playout.trimmed_samples,
        playout_flushed_samples=playout.flushed_samples,
        messages_ignored=connection.messages.ignored,
        messages_dropped=connection.dropped_messages,
    )


class GatewayMetrics(Collector):
    """Next: `count_*` as things happen; a registry calls `collect`."""

    def __init__(self, peers: Callable[[], Iterable[Peer]]) -> None:
        self._peers = peers
        self._past: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._sessions = 0
        #: How the conversations went that have ended.
        self.axes = AxesMetrics()
        #: The engine's last report; None while it does not answer.
        self.engine: EngineStatus | None = None

    def count_refusal(self, status: int) -> None:
        """A request was answered with an error."""
        self._refusals[str(status)] += 1

    def count_session(self) -> None:
        """A conversation was admitted."""
        self._sessions += 1

    def count_end(self, peer: Peer) -> None:
        """A conversation is over: keep its counters."""
        self._past.update(counts(peer))

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client.registry.Collector`."""
        peers = list(self._peers())
        total = sum((counts(peer) for peer in peers), self._past.copy())
        for name, text in _HELP.items():
            yield CounterMetricFamily(f"voiceagent_{name}", text, value=total[name])
        refusals = CounterMetricFamily(
            "voiceagent_requests_refused", "requests answered with an error", labels=["status"]
        )
        for status, number in self._refusals.items():
            refusals.add_metric([status], number)
        yield refusals
        yield CounterMetricFamily("voiceagent_sessions", "admitted", value=self._sessions)
        yield GaugeMetricFamily("voiceagent_sessions_active", "going on", value=len(peers))
        yield GaugeMetricFamily(
            "voiceagent_playout_queued_ms",
            "most sound that waits for one client",
            value=max((peer.connection.track.queued_ms for peer in peers), default=0),
        )
        yield from self.axes.collect()
        yield from engine_metrics(self.engine)
