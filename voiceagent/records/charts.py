"""Small drawings of a report: a share with its interval, offsets beside people's, step times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voiceagent.records.axes import DEADLINE_US
from voiceagent.records.figures import HUMAN_OFFSETS, Rate
from voiceagent.records.page import clock, escape, seconds

#: Offsets are counted in bins of this width, between these; what lies outside goes to the end bins.
BIN_MS, FIRST_MS, LAST_MS = 200, -1000, 3000
#: A step-time strip has so many columns; each shows the slowest step that falls into it.
COLUMNS = 600


def interval_bar(rate: Rate) -> str:
    """A share as a filled bar, its 95 % interval as a bracket over it."""
    if rate.value is None or rate.interval is None:
        return '<svg class="share" viewBox="0 0 200 14" aria-hidden="true"></svg>'
    low, high = (200 * bound for bound in rate.interval)
    return (
        '<svg class="share" viewBox="0 0 200 14" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rest" y="5" width="200" height="4"/>'
        f'<rect class="part" y="5" width="{200 * rate.value:.1f}" height="4"/>'
        f'<path class="range" d="M{low:.1f} 1v12M{low:.1f} 7H{high:.1f}M{high:.1f} 1v12"/></svg>'
    )


def offsets_chart(offsets_ms: Sequence[int]) -> str:
    """Floor-transfer offsets as a histogram, with the density of the human reference over it."""
    edges = list(range(FIRST_MS, LAST_MS + BIN_MS, BIN_MS))
    inside = np.clip(np.asarray(offsets_ms), FIRST_MS, LAST_MS - 1)
    counts = np.histogram(inside, edges)[0]
    human = np.diff([HUMAN_OFFSETS.cdf(edge) for edge in edges]) * len(offsets_ms)
    scale = 150 / max(counts.max(), human.max())
    bars = "".join(
        f'<rect class="bar" x="{_x(edge) + 1:.1f}" y="{170 - n * scale:.1f}" '
        f'width="{_x(edge + BIN_MS) - _x(edge) - 2:.1f}" height="{n * scale:.1f}"/>'
        for edge, n in zip(edges, counts, strict=False)
        if n
    )
    curve = "".join(
        f"{'L' if i else 'M'}{_x(edge + BIN_MS / 2):.1f} {170 - n * scale:.1f}"
        for i, (edge, n) in enumerate(zip(edges, human, strict=False))
    )
    ticks = "".join(
        f'<text class="t" text-anchor="{_anchor(at)}" x="{_x(at):.1f}" y="184">{_tick(at)}</text>'
        for at in range(FIRST_MS, LAST_MS + 1, 1000)
    )
    label = f"Histogram of {len(offsets_ms)} offsets from the end of a user turn to the answer"
    return (
        f'<svg class="chart" role="img" aria-label="{label}" viewBox="0 0 600 190">'
        f'<path class="zero" d="M{_x(0):.1f} 14V170"/>'
        f'<text class="t" text-anchor="end" x="{_x(0) - 6:.1f}" y="22">overlap</text>'
        f'<text class="t" x="{_x(0) + 6:.1f}" y="22">gap</text>'
        f'<path class="axis" d="M0 170H600"/>{bars}<path class="human" d="{curve}"/>{ticks}</svg>'
    )


def steps_chart(step_us: Sequence[int], lag_us: Sequence[int], frame_ms: int) -> str:
    """Slowest step and slowest answer of each moment, with the deadline; misses stand out."""
    total_ms = len(step_us) * frame_ms
    top = 1.25 * max(DEADLINE_US, *lag_us)
    groups = np.array_split(np.arange(len(step_us)), min(COLUMNS, len(step_us)))
    width = 600 / len(groups)
    paths = {"lag": "", "step": "", "miss": ""}
    for column, group in enumerate(groups):
        slowest_us = max(lag_us[i] for i in group)
        x = (column + 0.5) * width
        kind = "miss" if slowest_us > DEADLINE_US else "lag"
        paths[kind] += f"M{x:.1f} 90v{-86 * slowest_us / top:.1f}"
        paths["step"] += f"M{x:.1f} 90v{-86 * max(step_us[i] for i in group) / top:.1f}"
    deadline_y = 90 - 86 * DEADLINE_US / top
    drawn = "".join(
        f'<path class="{kind}" stroke-width="{max(width - 0.2, 0.4):.2f}" d="{path}"/>'
        for kind, path in paths.items()
        if path
    )
    misses = sum(lag > DEADLINE_US for lag in lag_us)
    label = f"Step times of {len(step_us)} frames; {misses} answered after their deadline"
    return (
        f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="0 0 600 108">'
        f'{drawn}<path class="deadline" d="M0 {deadline_y:.1f}H600"/>'
        f'<path class="axis" d="M0 90H600"/><text class="t" x="0" y="104">0:00</text>'
        f'<text class="t" text-anchor="end" x="600" y="104">{clock(total_ms)}</text></svg>'
    )


def _x(at_ms: float) -> float:
    return 600 * (at_ms - FIRST_MS) / (LAST_MS - FIRST_MS)


def _anchor(at_ms: int) -> str:
    return {FIRST_MS: "start", LAST_MS: "end"}.get(at_ms, "middle")


def _tick(at_ms: int) -> str:
    """The ends hold what lies beyond them."""
    beyond = {FIRST_MS: "≤ ", LAST_MS: "≥ "}.get(at_ms, "")
    return beyond + seconds(at_ms).replace(".00", "")
