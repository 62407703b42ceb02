"""Many sessions on one page: each axis over time, a point and an interval per call.

One call says little about an axis: its interval is wide. All calls of a model together say more,
and the row of points shows whether something changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from voiceagent.records.axes import Axes
from voiceagent.records.charts import interval_bar
from voiceagent.records.figures import Rate, human_distance_ms, percentile, pooled
from voiceagent.records.page import count, escape, length, page, seconds, section
from voiceagent.records.schema import SessionSummary

_RATES: tuple[tuple[str, str, Callable[[Axes], Rate]], ...] = (
    ("Pause handling", "pauses held", lambda axes: axes.pauses_held),
    ("Backchannel", "turns without cutting in", lambda axes: axes.floor_kept),
    ("Smooth turn-taking", "turns answered in time", lambda axes: axes.turns_taken),
    ("User interruption", "interruptions honoured", lambda axes: axes.interruptions_honoured),
)
_TIMES: tuple[tuple[str, str, Callable[[Axes], tuple[int, ...]]], ...] = (
    ("Turn latency", "from the end of a turn to the answer", lambda axes: axes.latencies_ms),
    ("Stop latency", "from an interruption to the agent’s silence", lambda axes: axes.stops_ms),
)
_COLUMNS = (
    *("Session", "Started (UTC)", "Length", "Pauses", "Floor", "Turns", "Latency"),
    *("Interruptions", "Distance to people", "Stuck"),
)
#: A chart shows the last so many calls; the sums hold all.
MOST_POINTS = 200


@dataclasses.dataclass(frozen=True, slots=True)
class _Call:
    summary: SessionSummary
    axes: Axes


def render_trend(summaries: Sequence[SessionSummary]) -> str:
    """A page over these sessions.

    Args:
        summaries: oldest first; those of version 1, which have no axes, are counted and left out.

    Returns:
        An HTML document that needs nothing else.
    """
    calls = [_Call(summary, summary.axes) for summary in summaries if summary.axes is not None]
    left_out = len(summaries) - len(calls)
    body = [_mast(calls, left_out)]
    if calls:
        charts = "".join(_rate_chart(calls, *rate) for rate in _RATES)
        times = "".join(_time_chart(calls, *time) for time in _TIMES)
        note = "All calls together, and below them each call with its 95 % interval, oldest first."
        body += [
            section("The four axes", f'<div class="trends">{charts}</div>', note),
            section(
                "Latency",
                f'<div class="trends">{times}</div>',
                "Each call’s median, and a line up to its 95th percentile.",
            ),
            section("Calls", _table(calls), "Newest first."),
        ]
    head = (
        '<header class="mast"><p class="mark">voiceagent</p><p class="service">Trend</p></header>'
    )
    return page("Trend of sessions", f"{head}<main>{''.join(body)}</main>")


def _mast(calls: Sequence[_Call], left_out: int) -> str:
    if not calls:
        headline, lead = "No calls to show yet.", ""
    else:
        total_ms = sum(call.summary.duration_ms for call in calls)
        first, last = (calls[i].summary.header.started_at[:10] for i in (0, -1))
        headline = f"{count(len(calls), 'call')}, {total_ms / 60_000:.0f} minutes of talk."
        lead = f'<p class="lead">From {escape(first)} to {escape(last)}.</p>'
    older = f" {count(left_out, 'older record')} without axes left out." if left_out else ""
    kinds = " and ".join(sorted({call.axes.labels for call in calls})) or "estimated"
    return (
        f'<h1>{headline}</h1>{lead}<p class="note"><b>{kinds.capitalize()}</b> labels.{older}</p>'
    )


def _rate_chart(
    calls: Sequence[_Call], name: str, what: str, rate_of: Callable[[Axes], Rate]
) -> str:
    total = pooled([rate_of(call.axes) for call in calls])
    shown = [rate_of(call.axes) for call in calls[-MOST_POINTS:]]
    step = 400 / len(shown)
    drawn = ""
    for index, rate in enumerate(shown):
        if rate.value is None or rate.interval is None:
            continue
        x, (low, high) = (index + 0.5) * step, rate.interval
        drawn += f'<path class="span" d="M{x:.1f} {_y(low):.1f}V{_y(high):.1f}"/>'
        drawn += f'<circle class="point" cx="{x:.1f}" cy="{_y(rate.value):.1f}" r="3"/>'
    label = f"{name}: {what} in each of {len(shown)} calls"
    return _figure(name, what, f"{total.count}<small> of {total.of}</small>", total, label, drawn)


def _time_chart(
    calls: Sequence[_Call], name: str, what: str, times_of: Callable[[Axes], tuple[int, ...]]
) -> str:
    everything = [value for call in calls for value in times_of(call.axes)]
    shown = [times_of(call.axes) for call in calls[-MOST_POINTS:]]
    top_ms = max((percentile(values, 95) or 1 for values in shown), default=1)
    step = 400 / len(shown)
    drawn = ""
    for index, values in enumerate(shown):
        p50, p95 = percentile(values, 50), percentile(values, 95)
        if p50 is None or p95 is None:
            continue
        x = (index + 0.5) * step
        drawn += f'<path class="span" d="M{x:.1f} {_y(p50 / top_ms):.1f}V{_y(p95 / top_ms):.1f}"/>'
        drawn += f'<circle class="point" cx="{x:.1f}" cy="{_y(p50 / top_ms):.1f}" r="3"/>'
    drawn += f'<text class="t" x="404" y="12">{seconds(top_ms)}</text>'
    big = f"{seconds(percentile(everything, 50))}<small> p95 {seconds(percentile(everything, 95))}"
    label = f"{name} of each of {len(shown)} calls"
    return _figure(name, what, f"{big}</small>", None, label, drawn)


def _figure(name: str, what: str, big: str, total: Rate | None, label: str, drawn: str) -> str:
    bar = interval_bar(total) if total else ""
    ends = "" if total is None else '<text class="t" x="404" y="12">all</text>'
    return (
        f'<article class="card"><h3>{name}</h3><p class="big">{big}</p>{bar}'
        f"<p><b>{what}</b></p>"
        f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="0 0 450 108">'
        f'<path class="axis" d="M0 {_y(0)}H400M0 {_y(1)}H400"/>{ends}'
        f'<text class="t" x="404" y="{_y(0)}">{"none" if total else "0 s"}</text>{drawn}'
        "</svg></article>"
    )


def _table(calls: Sequence[_Call]) -> str:
    rows = ""
    for call in reversed(calls):
        header, axes = call.summary.header, call.axes
        cells = (
            header.started_at[:16].replace("T", " "),
            length(call.summary.duration_ms),
            axes.pauses_held,
            axes.floor_kept,
            axes.turns_taken,
            seconds(percentile(axes.latencies_ms, 50)),
            axes.interruptions_honoured,
            seconds(human_distance_ms(axes.offsets_ms)),
            axes.num_stuck,
        )
        inside = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        rows += f'<tr><th scope="row">{escape(header.id[:8])}</th>{inside}</tr>'
    columns = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Calls"><table class="calls">'
        f"<thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _y(share: float) -> float:
    """From the bottom of a chart to its top."""
    return 100 - 92 * share
