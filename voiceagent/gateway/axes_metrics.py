"""What Prometheus reads of how conversations went: events by outcome, and their times.

Counted when a conversation has ended and only where it was recorded; estimates, like the records
themselves. Nothing in a label tells one caller, session or voice from another.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Counter, Histogram
from prometheus_client.core import Metric

from voiceagent.records.axes import Axes

#: People answer within 200 to 300 ms; beyond 4 s the agent is stuck.
_BUCKETS_MS = (100, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 4000)


class AxesMetrics:
    """Next: `count` the axes of each conversation that ends; `collect` when scraped."""

    def __init__(self) -> None:
        self._events = Counter(
            "voiceagent_turn_events",
            "what happened in recorded conversations (estimated), by kind and outcome",
            ("kind", "outcome"),
            registry=None,
        )
        self._latency = _times("voiceagent_turn_latency_ms", "end of a turn to its answer")
        self._stop = _times("voiceagent_stop_ms", "onset of an interruption to the agent's silence")
        self._recovery = _times(
            "voiceagent_recovery_ms", "end of an interruption to the response to it"
        )

    def count(self, axes: Axes) -> None:
        """A conversation has ended."""
        for event in axes.events:
            self._events.labels(event.kind, event.outcome).inc()
        for histogram, values_ms in (
            (self._latency, axes.latencies_ms),
            (self._stop, axes.stops_ms),
            (self._recovery, axes.recoveries_ms),
        ):
            for value_ms in values_ms:
                histogram.observe(value_ms)

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client.registry.Collector`."""
        for metric in (self._events, self._latency, self._stop, self._recovery):
            yield from metric.collect()


def _times(name: str, text: str) -> Histogram:
    return Histogram(name, f"{text} (estimated)", buckets=_BUCKETS_MS, registry=None)
