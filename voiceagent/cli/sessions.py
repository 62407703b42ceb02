"""`voiceagent sessions`: list, look at and delete the records of past conversations."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from voiceagent.records.schema import SessionSummary
from voiceagent.records.store import RecordStore
from voiceagent.settings import records_dir

DESCRIPTION = """\
Every conversation leaves a folder: a summary (turns, gaps, overlaps, step times) and a trace of
each 80 ms frame. Sound is kept only where recording was switched on. Turns, gaps and overlaps are
estimated from levels. A session is named by the beginning of its id.
"""
COLUMNS = ("id", "started (UTC)", "model", "length", "turns", "gap p50", "overlap", "ended")


def default_root() -> Path:
    """Where records lie: VOICEAGENT_RECORDS_DIR, else the user's data folder."""
    named = os.environ.get("VOICEAGENT_RECORDS_DIR")
    return Path(named) if named else records_dir(os.environ)


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
        action.add_argument(
            "--records",
            type=Path,
            default=default_root(),
            metavar="DIR",
            help="folder of records (default: %(default)s)",
        )
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
        return (session_id[:8], "", "", "", "", "", "", "still running, or died")
    gaps = sorted(summary.gaps_ms)
    return (
        session_id[:8],
        summary.header.started_at[:19].replace("T", " "),
        summary.header.model,
        f"{summary.duration_ms / 1000:.0f} s",
        f"{summary.user_turns} + {summary.agent_turns}",
        f"{gaps[len(gaps) // 2]} ms" if gaps else "-",
        f"{summary.overlap_ms} ms",
        summary.end_reason,
    )
