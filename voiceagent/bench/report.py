"""The last stage: a run as one HTML file, with every number's interval and recordings to hear.

Says what it is of before it says anything else: a run of which recordings are missing is called
partial in its headline. Published rows stand beside one's own only where the rules are official,
and are called what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from voiceagent.bench.folder import FAILED
from voiceagent.bench.published import PUBLISHED, Published
from voiceagent.bench.rules import RULES
from voiceagent.bench.score import Row
from voiceagent.bench.scorers.prosody import MEASURE_TITLES, NO_QUALITY
from voiceagent.bench.summary import Column, columns_of
from voiceagent.records.page import count, escape, facts, page, section

#: Of each task so many recordings can be heard, those first that did not go as wanted.
MOST_PLAYERS = 4

#: Of a checksum the beginning will do, and of settings: the summary has all of it.
_CHECKSUM_LETTERS, _MOST_LETTERS = 12, 40

#: Of a row, the HTML of its recording; empty where it cannot be shown.
PlayerOf = Callable[[Row], str]


def render(summary: Mapping[str, Any], rows: Sequence[Row], player_of: PlayerOf) -> str:
    """The page.

    Args:
        summary: of the run.
        rows: of it.
        player_of: draws a recording.

    Returns:
        An HTML document that needs nothing else.
    """
    tasks = "".join(
        _task(name, task, summary, [row for row in rows if row["task"] == name], player_of)
        for name, task in summary["tasks"].items()
    )
    body = f"{_mast(summary)}{_setting(summary)}{tasks}{_failures(rows)}{_foot()}"
    head = (
        '<header class="mast"><p class="mark">voiceagent bench</p>'
        f'<p class="service">{escape(summary["suite"])}</p></header>'
    )
    return page(f"Bench {summary['suite']}", f"{head}<main>{body}</main>", has_sound=True)


def headline(summary: Mapping[str, Any]) -> str:
    """How much of the run there is, in a sentence."""
    tasks = summary["tasks"].values()
    scored, planned = (sum(task[name] for task in tasks) for name in ("scored", "planned"))
    if summary["is_whole"]:
        return f"{summary['suite']}: all {count(scored, 'recording')} scored."
    return f"Partial: {scored} of {count(planned, 'recording')} of {summary['suite']} scored."


def number_text(number: Mapping[str, Any]) -> str:
    """Such as "0.625 (0.43 to 0.79)"; a dash where there is none."""
    if number["value"] is None:
        return "–"
    text = f"{number['value']:.3f}"
    if number["low"] is not None:
        text += f" ({number['low']:.2f} to {number['high']:.2f})"
    return text


def _mast(summary: Mapping[str, Any]) -> str:
    target = summary["target"]
    name = " ".join(str(target[k]) for k in ("target", "model") if target.get(k))
    lead = f"{escape(name)}, by the rules “{escape(summary['rules'])}”."
    return f'<h1>{escape(headline(summary))}</h1><p class="lead">{lead}</p>{_rules_note(summary)}'


def _rules_note(summary: Mapping[str, Any]) -> str:
    """What the rules say, where there is anything that they change."""
    if not any("backchannel" in task["axes"] for task in summary["tasks"].values()):
        return ""
    note = summary["rules_note"]
    return f'<p class="note">{escape(note[0].upper() + note[1:])}.</p>'


def _setting(summary: Mapping[str, Any]) -> str:
    """All that the numbers hang on."""
    settings = {"name": summary["suite"], **summary["settings"]}
    rows = _facts("Target", summary["target"]) + _facts("Suite", settings)
    for source in summary["words_from"] or [{"recogniser": "none"}]:
        rows += _facts("Words", source)
    for judge in summary["judged_by"]:
        rows += _facts("Judge", judge)
    rows.append(("Detector", summary["detector"]))
    return section("Made with", facts(rows))


def _facts(title: str, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known; the first value is the thing's own name."""
    known = [(key, _plain(value)) for key, value in values.items() if value is not None]
    names = [title, *(f"{title}: {key.replace('_', ' ')}" for key, _ in known[1:])]
    return [(name, _short(key, text)) for name, (key, text) in zip(names, known, strict=False)]


def _short(key: str, text: str) -> str:
    most = _CHECKSUM_LETTERS if key.endswith("sha256") else _MOST_LETTERS
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def _task(
    name: str,
    task: Mapping[str, Any],
    summary: Mapping[str, Any],
    rows: Sequence[Row],
    player_of: PlayerOf,
) -> str:
    columns = columns_of(task["axes"])
    of = count(task["scored"], "recording")
    note = f"{of} of {task['planned']}" + (f", {task['failed']} failed" if task["failed"] else "")
    if task["official_n"] and task["official_n"] != task["planned"]:
        note += f"; the official set has {task['official_n']}"
    for reason, times in task["missing"].items():
        note += f"; {escape(reason)} ({times})"
    body = (
        _numbers(task, columns, summary["rules"])
        + _voice(task.get("voice"))
        + _published(name, summary, columns)
        + _players(rows, player_of)
    )
    return section(task["title"], body, note + ".")


def definition(column: Column, axes: Sequence[str], rules: str) -> str:
    """Whose a number's definition is: "official", "corrected" (by our rules) or "ours"."""
    if not column.is_official:
        return "ours"
    return "official" if RULES[rules].is_official or "backchannel" not in axes else "corrected"


def _numbers(task: Mapping[str, Any], columns: Sequence[Column], rules: str) -> str:
    arrows = {"up": "higher is better", "down": "lower is better", "": ""}
    rows = "".join(
        f'<tr><th scope="row">{escape(column.title)}</th>'
        f"<td>{number_text(task['numbers'][column.name])}</td>"
        f"<td>{task['numbers'][column.name]['n']}</td>"
        f'<td class="text">{definition(column, task["axes"], rules)}</td>'
        f'<td class="text">{arrows[_better(column, task)]}</td></tr>'
        for column in columns
    )
    return _table(
        ("", "Value (95 % interval)", "n", "Definition", "Wanted"), rows, ("Definition", "Wanted")
    )


def _better(column: Column, task: Mapping[str, Any]) -> str:
    """Which way is better; of behaviours only the wanted one has a way."""
    return "up" if column.name == task["wanted"] else column.better


def _voice(voice: Mapping[str, Any] | None) -> str:
    """The voice around the overlap; nothing where no voice was measured."""
    if voice is None or not any(voice["means"]["pre"].values()):
        return ""
    rows = "".join(_voice_row(name, title, voice) for name, title in MEASURE_TITLES.items())
    quality = (
        '<th scope="row">Quality (UTMOSv2)</th>'
        f'<td class="text" colspan="5">{escape(NO_QUALITY)}</td>'
    )
    titles = ("Voice", "Before", "After", "Clean", "After - before", "After - clean")
    note = (
        "Means without the outer percentiles. Changes are of overlaps that were responded to, with "
        "p of a paired t test, plain and by Holm."
    )
    return f'<p class="hint">{note}</p>{_table(titles, f"{rows}<tr>{quality}</tr>")}'


def _voice_row(name: str, title: str, voice: Mapping[str, Any]) -> str:
    means = [voice["means"][piece][name] for piece in ("pre", "post", "clean")]
    changes = [voice["changes"][f"{first} to post"][name] for first in ("pre", "clean")]
    cells = ["–" if mean is None else f"{mean:.1f}" for mean in means]
    tds = "".join(f"<td>{cell}</td>" for cell in (*cells, *map(_change_text, changes)))
    return f'<tr><th scope="row">{escape(title)}</th>{tds}</tr>'


def _change_text(change: Mapping[str, Any]) -> str:
    if change["mean"] is None:
        return "–"
    p = "" if change["p"] is None else f", p {change['p']:.3f}, {change['p_holm']:.3f}"
    return f"{change['mean']:+.1f}{p} (n {change['n']})"


def _published(name: str, summary: Mapping[str, Any], columns: Sequence[Column]) -> str:
    known = [p for p in PUBLISHED.get(summary["suite"], ()) if name in p.numbers]
    if not known:
        return ""
    official = [column for column in columns if column.is_official]
    rules = RULES[summary["rules"]]
    if "backchannel" in summary["tasks"][name]["axes"] and not rules.is_official:
        return f'<p class="hint">Published rows follow other rules: {escape(rules.note)}.</p>'
    rows = "".join(_published_row(system, name, official) for system in known)
    titles = ("Published", *(column.title for column in official), "Source")
    note = (
        "Background, not a ranking: not comparable unless recogniser, script version and start "
        "silence agree."
    )
    return f'<p class="hint">{note}</p>{_table(titles, rows, ("Source",))}'


def _published_row(system: Published, task: str, columns: Sequence[Column]) -> str:
    numbers = system.numbers[task]
    cells = "".join(
        f"<td>{numbers[c.name]:.3f}</td>" if c.name in numbers else "<td>–</td>" for c in columns
    )
    source = escape(system.source + (f"; {system.note}" if system.note else ""))
    cells += f'<td class="text">{source}</td>'
    return f'<tr><th scope="row">{escape(system.system)}</th>{cells}</tr>'


def _players(rows: Sequence[Row], player_of: PlayerOf) -> str:
    order = {False: 0, None: 1, True: 2}
    done = sorted((r for r in rows if r["status"] == "done"), key=lambda r: order[r["is_good"]])
    shown = "".join(
        f"<div><h3>{escape(row['id'])}: {_verdict(row)}</h3>{player_of(row)}</div>"
        for row in done[:MOST_PLAYERS]
    )
    return f'<div class="players">{shown}</div>' if shown else ""


def _verdict(row: Row) -> str:
    words = {True: "as wanted", False: "not as wanted", None: "nothing to judge"}
    tag = f", {escape(row['behaviour'])}" if row.get("behaviour") else ""
    return words[row["is_good"]] + tag


def _failures(rows: Sequence[Row]) -> str:
    failed = [row for row in rows if row["status"] == FAILED]
    if not failed:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{escape(row["task"])}/{escape(row["id"])}</th>'
        f"<td>{escape(row['reason'])}</td></tr>"
        for row in failed
    )
    return section("Failed", _table(("Recording", "Reason"), lines))


def _foot() -> str:
    return (
        '<footer><p class="hint">“Official” columns follow the published rules of '
        "Full-Duplex-Bench; “ours” show what those hide. A share has Wilson’s interval, a mean "
        "that of 2000 bootstrap draws.</p></footer>"
    )


def _table(titles: Sequence[str], rows: str, of_text: Sequence[str] = ()) -> str:
    """A table that scrolls by itself; columns of text stand to the left."""
    head = "".join(
        f'<th scope="col"{" class=text" if title in of_text else ""}>{escape(title)}</th>'
        for title in titles
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Numbers"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items()) or "default"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)
