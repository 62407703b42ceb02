"""`voiceagent sessions`: list, look at and delete the records of past conversations."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from voiceagent.records.axes import Axes
from voiceagent.records.figures import percentile
from voiceagent.records.schema import SessionSummary
from voiceagent.records.store import RecordStore
from voiceagent.settings import records_dir

DESCRIPTION = """\
Every conversation leaves a folder: a summary (how the turns went, step times) and a trace of each
80 ms frame. Sound is kept only where recording was switched on. The axes are those of
Full-Duplex-Bench: pauses held, the user's floor kept (+ backchannels made), turns taken,
interruptions honoured, each of how many; latency is the median from a turn's end to the answer.
All are estimated from levels, timing and words. A session is named by the beginning of its id;
'voiceagent report ID' makes a page of it.
"""
AXES = ("pauses", "floor", "turns", "latency", "interruptions")
COLUMNS = ("id", "started (UTC)", "model", "length", *AXES, "ended")


def default_root() -> Path:
    """Where records lie: VOICEAGENT_RECORDS_DIR, else the user's data folder."""
    named = os.environ.get("VOICEAGENT_RECORDS_DIR")
    return Path(named) if named else records_dir(os.environ)


def add_records_argument(parser: argparse.ArgumentParser) -> None:
    """--records, of commands on past conversations."""
    parser.add_argument(
        "--records",
        type=Path,
        default=default_root(),
        metavar="DIR",
        help="folder of records (default: %(default)s)",
    )


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand and its own."""
    parser = commands.add_parser(
        "sessions",
        help="list, look at and delete records of conversations",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, text in (
        ("list", run_list, "every session, oldest first"),
        ("show", run_show, "one session's summary as JSON"),
        ("delete", run_delete, "remove everything of a session"),
    ):
        action = actions.add_parser(name, help=text)
        if name != "list":
            action.add_argument("id", metavar="ID", help="the beginning of the session's id")
        add_records_argument(action)
        action.set_defaults(run=run)


def run_list(options: argparse.Namespace) -> int:
    """Print a line per session."""
    store = RecordStore(options.records)
    rows = [_row(session_id, store.summary(session_id)) for session_id in store.ids()]
    if not rows:
        print(f"no sessions in {options.records}")
        return 0
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for row in (COLUMNS, *rows):
        print(
            "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Print a summary, or for a session without one what its trace holds."""
    store = RecordStore(options.records)
    session_id = store.find(options.id)
    summary = store.summary(session_id)
    if summary is not None:
        print(json.dumps(summary.to_json(), indent=1))
    else:
        frames = len(store.trace(session_id))
        print(json.dumps({"id": session_id, "is_finished": False, "frames": frames}, indent=1))
    return 0


def run_delete(options: argparse.Namespace) -> int:
    """Remove a session's folder."""
    store = RecordStore(options.records)
    session_id = store.find(options.id)
    store.delete(session_id)
    print(f"deleted {session_id}")
    return 0


def _row(session_id: str, summary: SessionSummary | None) -> tuple[str, ...]:
    if summary is None:
        return (session_id[:8], "", "", "", *[""] * len(AXES), "still running, or died")
    return (
        session_id[:8],
        summary.header.started_at[:19].replace("T", " "),
        summary.header.model,
        f"{summary.duration_ms / 1000:.0f} s",
        *_axes(summary.axes),
        summary.end_reason,
    )


def _axes(axes: Axes | None) -> tuple[str, ...]:
    """The four axes, and the latency; a record of version 1 has none."""
    if axes is None:
        return ("-",) * len(AXES)
    latency_ms = percentile(axes.latencies_ms, 50)
    made = f" +{axes.num_backchannels}" if axes.num_backchannels else ""
    return (
        str(axes.pauses_held),
        f"{axes.floor_kept}{made}",
        str(axes.turns_taken),
        "-" if latency_ms is None else f"{latency_ms} ms",
        str(axes.interruptions_honoured),
    )
