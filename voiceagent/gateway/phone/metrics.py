"""What Prometheus reads of a phone worker; units are in the names, nothing tells callers apart."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from voiceagent.gateway.axes_metrics import AxesMetrics
from voiceagent.gateway.engine_metrics import engine_metrics
from voiceagent.gateway.phone.call import Call
from voiceagent.serving.ports import EngineStatus

_HELP = {
    "frames_in": "10 ms frames of callers",
    "frames_in_dropped": "10 ms frames of callers thrown away after a stall",
    "engine_frames": "80 ms frames from the engine",
    "keys_in": "telephone keys pressed by callers",
    "reconnects": "conversations that went on after the LiveKit server was lost",
    "texts_dropped": "words and states that a room was not told",
    "playout_underruns": "packets to callers filled up with silence",
    "playout_skipped_packets": "packets to callers not sent after a stall",
    "playout_dropped_samples": "samples to callers dropped because too much waited",
    "playout_flushed_samples": "samples to callers made void by the agent's falling silent",
}


def counts(call: Call) -> Counter[str]:
    """The counters of one call, by the names of `_HELP`."""
    playout, ear = call.speaker.mouth.playout.counts, call.leg.ear
    return Counter(
        frames_in=ear.frames,
        frames_in_dropped=ear.dropped_frames,
        engine_frames=call.frames,
        keys_in=call.operator.keys_received,
        reconnects=call.reconnects,
        texts_dropped=call.texts.dropped,
        playout_underruns=playout.underruns,
        playout_skipped_packets=playout.skipped_packets,
        playout_dropped_samples=playout.dropped_samples,
        playout_flushed_samples=playout.flushed_samples,
    )


class PhoneMetrics(Collector):
    """Next: `count_*` as things happen; a registry calls `collect`."""

    def __init__(self, calls: Callable[[], Iterable[Call]]) -> None:
        self._calls = calls
        self._past: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        #: Whether the LiveKit server knows this worker now.
        self.is_registered = False
        #: How the conversations went that have ended.
        self.axes = AxesMetrics()
        #: The engine's last report; None while it does not answer.
        self.engine: EngineStatus | None = None

    def count_call(self) -> None:
        """A conversation began."""
        self._totals["calls"] += 1

    def count_told(self) -> None:
        """A caller was told that there is no slot."""
        self._totals["calls_at_capacity"] += 1

    def count_refusal(self) -> None:
        """A job was left to other workers."""
        self._totals["jobs_refused"] += 1

    @property
    def has_registered(self) -> bool:
        """Whether the LiveKit server has ever known this worker."""
        return self._totals["registrations"] > 0

    def set_registered(self, is_registered: bool) -> None:
        """The LiveKit server took this worker in, or was lost."""
        self.is_registered = is_registered
        self._totals["registrations"] += is_registered

    def count_end(self, call: Call) -> None:
        """A conversation is over: keep its counters."""
        self._past.update(counts(call))

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client.registry.Collector`."""
        calls = list(self._calls())
        total = sum((counts(call) for call in calls), self._past.copy())
        for name, text in _HELP.items():
            yield CounterMetricFamily(f"voiceagent_phone_{name}", text, value=total[name])
        for name, text in _TOTALS.items():
            yield CounterMetricFamily(f"voiceagent_phone_{name}", text, value=self._totals[name])
        for gauge in _gauges(calls, self.is_registered):
            yield GaugeMetricFamily(f"voiceagent_phone_{gauge.name}", gauge.text, value=gauge.value)
        yield from self.axes.collect()
        yield from engine_metrics(self.engine)


_TOTALS = {
    "calls": "conversations begun",
    "calls_at_capacity": "callers who were told that there is no slot",
    "jobs_refused": "jobs left to other workers",
    "registrations": "times that the LiveKit server took this worker in",
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Gauge:
    name: str
    text: str
    value: float


def _gauges(calls: list[Call], is_registered: bool) -> list[_Gauge]:
    age_us = max((call.leg.ear.age_us for call in calls), default=0)
    max_age_us = max((call.leg.ear.max_age_us for call in calls), default=0)
    return [
        _Gauge("registered", "whether the LiveKit server knows this worker", is_registered),
        _Gauge("calls_active", "conversations that go on", len(calls)),
        _Gauge("calls_lost", "that wait for their caller to come back", _lost(calls)),
        _Gauge("frame_age_us", "how late the last frame of the latest caller came", age_us),
        _Gauge("frame_age_max_us", "the same, the latest of the calls that go on", max_age_us),
    ]


def _lost(calls: list[Call]) -> int:
    return sum(call.is_lost for call in calls)
