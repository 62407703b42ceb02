"""A session as a page: how the turns went, at a glance and frame by frame.

One HTML file for the screen, the phone and the printer. It shows what the record has; what the
record has not, it says so. Pure: a record in, text out.
"""

from __future__ import annotations

from voiceagent.records.activity import FRAME_MS
from voiceagent.records.axes import Axes
from voiceagent.records.charts import interval_bar, offsets_chart, steps_chart
from voiceagent.records.events import OVERLAP_OUTCOMES, WANTED
from voiceagent.records.figures import HUMAN_SOURCE, Rate, human_distance_ms, percentile
from voiceagent.records.labels import ActivityLog
from voiceagent.records.page import count, escape, facts, length, page, seconds, section
from voiceagent.records.ribbon import has_turns, ribbon
from voiceagent.records.store import SessionRecord

KIND_NAMES = {
    "interruption": "User interruption",
    "user_backchannel": "User backchannel",
    "talking_to_others": "Talking to others",
    "background_speech": "Background speech",
}
_ESTIMATED = (
    "<b>Estimated.</b> Nobody annotated this call: pauses, turns and kinds of overlap are told "
    "from levels, timing and words, in steps of 80 ms."
)
_ANNOTATED = "<b>Annotated.</b> Pauses, turns and kinds of overlap are those of the scene's script."


def render_report(record: SessionRecord) -> str:
    """The session's page.

    Args:
        record: from `RecordStore.record`; a session that still runs, or died, has no summary.

    Returns:
        An HTML document that needs nothing else.
    """
    axes = record.axes
    body = "\n".join(
        [
            _mast(record, axes),
            axes_cards(axes),
            f'<div class="pair">{_timing(axes)}{_overlaps(axes)}</div>',
            _timeline(record, axes),
            _call(record, axes),
            _caller(record),
            _machine(record, axes),
        ]
    )
    return page(f"Session {record.header.id[:8]}", f"{_head(record)}<main>{body}</main>{_foot()}")


def axes_cards(axes: Axes) -> str:
    """The four axes of Full-Duplex-Bench, each with its count and interval."""
    made = count(axes.num_backchannels, "backchannel")
    per_min = axes.backchannels_per_min
    rate = "" if per_min is None else f", {per_min:g} per minute of the user’s speech"
    cards = [
        _card("Pause handling", "pauses held", axes.pauses_held, _taken(axes.pauses_held)),
        _card(
            "Backchannel",
            "turns without cutting in",
            axes.floor_kept,
            f"{made}{rate}; placement: no reference",
        ),
        _card("Smooth turn-taking", "turns answered in time", axes.turns_taken, _latency(axes)),
        _card(
            "User interruption",
            "honoured: stopped within 1 s, then answered",
            axes.interruptions_honoured,
            f"stops after {_spread(axes.stops_ms)}; answers {_spread(axes.recoveries_ms)} later",
        ),
    ]
    tag = f'<span class="tag">{escape(axes.labels)}</span>'
    return section("The four axes", f'<div class="cards">{"".join(cards)}</div>', tag)


def _head(record: SessionRecord) -> str:
    return (
        '<header class="mast"><p class="mark">voiceagent</p>'
        f'<p class="service">Session {escape(record.header.id[:8])}</p></header>'
    )


def _mast(record: SessionRecord, axes: Axes) -> str:
    header, summary = record.header, record.summary
    started = header.started_at[:16].replace("T", " ")
    ended = f"It ended: {summary.end_reason}." if summary else "It still runs, or it died."
    said = _ESTIMATED if axes.labels == "estimated" else _ANNOTATED
    return (
        f"<h1>{escape(headline(axes))}</h1>"
        f'<p class="lead">A call of {length(record.duration_ms)} with {escape(header.model)} over '
        f"{escape(header.transport)}, {escape(started)} UTC. {escape(ended)}</p>"
        f'<p class="note">{said}</p>'
    )


def headline(axes: Axes) -> str:
    """The call in a sentence."""
    turns, latency_ms = axes.turns_taken, percentile(axes.latencies_ms, 50)
    if not turns.of:
        interrupted = axes.interruptions_honoured.of
        return "Interruptions only." if interrupted else "Nobody took a turn in this call."
    if latency_ms is None:
        which = "The only turn was not" if turns.of == 1 else f"None of {turns.of} turns was"
        return f"{which} answered in time."
    if turns.of == 1:
        return f"The only turn was answered, after {seconds(latency_ms)}."
    was = "was" if turns.count == 1 else "were"
    return (
        f"{turns.count} of {turns.of} turns {was} answered in time, "
        f"typically after {seconds(latency_ms)}."
    )


def _card(name: str, what: str, rate: Rate, detail: str) -> str:
    if rate.interval is None:
        return (
            f'<article class="card"><h3>{name}</h3><p class="big none">none</p>'
            f"<p>{what}: this call had no occasion</p></article>"
        )
    low, high = rate.interval
    return (
        f'<article class="card"><h3>{name}</h3>'
        f'<p class="big">{rate.count}<small> of {rate.of}</small></p>{interval_bar(rate)}'
        f'<p class="range-text">95 % interval: {low:.0%} to {high:.0%}</p>'
        f"<p><b>{what}</b></p><p>{escape(detail)}</p></article>"
    )


def _timeline(record: SessionRecord, axes: Axes) -> str:
    if not record.trace:
        return section("Timeline", '<p class="hint">The trace holds no frames.</p>')
    log = ActivityLog()
    for frame in record.trace:
        log.add(frame)
    drawn = ribbon(record.trace, log.conversation(), axes, log.delay_ms)
    return section("Timeline", _legend(record) + drawn)


def _legend(record: SessionRecord) -> str:
    turns = has_turns(record.trace)
    keys = [
        ("user", "user’s level, and what the model understood"),
        ("agent", f"agent’s level{', faint: made but not sent' if turns else ''}, and its words"),
        ("both", "both speak"),
        ("good", "✓ as wanted"),
        ("bad", "× not as wanted"),
        ("pad", "p(pad): the model stays silent"),
    ]
    if turns:
        keys += [
            ("vad", "the user speaks (detector)"),
            ("eot", "the turn is over"),
            ("bias", "bias: up holds the agent back"),
        ]
    if any(f.is_gated and f.user_dbfs > -60 for f in record.trace):
        keys.append(("gate", "gate closed: the model hears silence"))
    items = "".join(f'<li><i class="key k-{key}"></i>{text}</li>' for key, text in keys)
    absent = (
        ""
        if turns
        else (
            '<p class="hint">State, detector, end-of-turn probability and bias are not shown: no '
            "turn-taking policy left a trace in this record.</p>"
        )
    )
    return f'<ul class="legend">{items}</ul>{absent}'


def _timing(axes: Axes) -> str:
    offsets_ms = axes.offsets_ms
    if not offsets_ms:
        return section("Gaps and overlaps", '<p class="hint">The agent answered no turn.</p>')
    rows = [
        ("Answers", str(len(offsets_ms))),
        ("Median", seconds(percentile(offsets_ms, 50))),
        ("95th percentile", seconds(percentile(offsets_ms, 95))),
        ("Distance to people’s timing (Wasserstein-1)", seconds(human_distance_ms(offsets_ms))),
    ]
    note = (
        "From the end of the user’s speech to the agent’s start, of turns and interruptions; below "
        f"zero the agent began early. The line is the human reference: a {escape(HUMAN_SOURCE)}."
    )
    body = offsets_chart(offsets_ms) + facts(rows)
    return section("Gaps and overlaps", body, note)


def _overlaps(axes: Axes) -> str:
    head = "".join(f'<th scope="col">{name.capitalize()}</th>' for name in OVERLAP_OUTCOMES)
    rows = ""
    for kind, outcomes in axes.overlaps().items():
        cells = "".join(
            f'<td class="{"wanted" if WANTED[kind] == o else ""}{"" if outcomes[o] else " zero"}">'
            f"{outcomes[o]}</td>"
            for o in (*OVERLAP_OUTCOMES, "not_exercised")
        )
        rows += f'<tr><th scope="row">{KIND_NAMES[kind]}</th>{cells}</tr>'
    note = (
        "What began while the agent spoke, and what the agent said next. Marked is what is wanted. "
        "“Not exercised” began while the agent was silent."
    )
    return section(
        "Speech over the agent",
        f'<div class="scroll" tabindex="0" role="region" aria-label="Overlap table"><table><thead>'
        f'<tr><td></td>{head}<th scope="col">Not exercised</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>",
        note,
    )


def _call(record: SessionRecord, axes: Axes) -> str:
    share = axes.talk_share
    rows = [
        ("Agent’s share of the talk", "–" if share is None else f"{share:.0%}"),
        ("Both at once", seconds(axes.overlap_ms)),
        ("Longest silence", seconds(axes.longest_silence_ms)),
        ("Agent’s longest stretch", seconds(axes.longest_monologue_ms)),
        ("Stuck: a turn, then silence over 4 s", str(axes.num_stuck)),
    ]
    if record.summary:
        rows += [
            ("Words understood", str(record.summary.words_heard)),
            ("Words said", str(record.summary.words_said)),
        ]
    return section("The whole call", facts(rows))


def _caller(record: SessionRecord) -> str:
    """Who called and what happened besides sound, of sessions of which anything is known."""
    happened = [
        (f"{frame.time_ms / 1000:.1f} s", event) for frame in record.trace for event in frame.events
    ]
    rows = [*(record.header.caller or {}).items(), *happened]
    if not rows:
        return ""
    note = "What the caller says of itself is a claim: whoever let it in could choose it."
    return section("The caller", facts(rows), note)


def _machine(record: SessionRecord, axes: Axes) -> str:
    if not record.trace:
        return ""
    step_us, lag_us = [f.step_us for f in record.trace], [f.lag_us for f in record.trace]
    rows = [
        ("Deadlines missed", str(axes.deadline_misses)),
        ("Step, median", _ms(percentile(step_us, 50))),
        ("Step, 99th percentile", _ms(percentile(step_us, 99))),
        ("Answer, 99th percentile", _ms(percentile(lag_us, 99))),
        ("Sound lost and concealed", seconds(axes.concealed_ms)),
    ]
    if record.summary:
        rows.append(("Frames the model heard as silence", str(record.summary.frames_gated)))
        rows.append(("Trace lines lost to a slow disk", str(record.summary.trace_rows_dropped)))
    note = (
        "Dark: the step of the model. Light: from the user’s frame being complete to its answer. "
        "Dotted: the deadline for that, 80 ms."
    )
    drawn = steps_chart(step_us, lag_us, FRAME_MS)
    return section("Machinery", f'<div class="split">{drawn}{facts(rows)}</div>', note)


def _foot() -> str:
    return (
        '<footer><p class="hint">The axes are those of Full-Duplex-Bench v1 and v1.5, read from '
        "a live call; <code>voiceagent/records/events.py</code> defines each. They cannot be "
        "compared with published scores, which are made on prepared recordings.</p></footer>"
    )


def _taken(pauses: Rate) -> str:
    lost = pauses.of - pauses.count
    return f"the agent took {count(lost, 'pause')}" if lost else "the agent waited each time"


def _latency(axes: Axes) -> str:
    early = sum(event.outcome == "early" for event in axes.of_kind("turn"))
    too_early = f"; {early} too early" if early else ""
    return f"latency {_spread(axes.latencies_ms)}{too_early}"


def _spread(values_ms: tuple[int, ...]) -> str:
    if not values_ms:
        return "–"
    p50, p95 = percentile(values_ms, 50), percentile(values_ms, 95)
    return f"p50 {seconds(p50)}, p95 {seconds(p95)}"


def _ms(value_us: int | None) -> str:
    return "–" if value_us is None else f"{value_us / 1000:.1f} ms"
