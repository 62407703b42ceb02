"""What Prometheus reads of the engine, by whatever gateway asks it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from voiceagent.serving.ports import EngineStatus


def engine_metrics(status: EngineStatus | None) -> Iterator[Metric]:
    """What an engine reports, or that it does not."""
    yield GaugeMetricFamily("voiceagent_engine_up", "whether it answers", value=status is not None)
    if status is None:
        return
    gauges = {"num_slots", "num_free", "num_preparing", "step_p50_us", "step_p99_us"}
    gauges |= {"queued_frames"}
    for field in dataclasses.fields(status):
        value = getattr(status, field.name)
        if field.name in gauges:
            yield GaugeMetricFamily(f"voiceagent_engine_{field.name}", field.name, value=value)
        elif field.name not in ("model", "is_promptable", "voices", "pid"):
            yield CounterMetricFamily(f"voiceagent_engine_{field.name}", field.name, value=value)
