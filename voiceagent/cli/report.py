"""`voiceagent report`: a past conversation as a page, or all of them as a trend."""

from __future__ import annotations

import argparse
from pathlib import Path

from voiceagent.cli.sessions import add_records_argument
from voiceagent.errors import RecordError
from voiceagent.records.report import render_report
from voiceagent.records.store import RecordStore
from voiceagent.records.trend import render_trend

DESCRIPTION = """\
Writes one HTML file that needs nothing else: who spoke when, frame by frame, how pauses, turns,
overlaps and interruptions went, and how the machine kept up. --trend shows the axes of all
conversations over time instead. 'voiceagent sessions list' names the sessions.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "report",
        help="a past conversation, or all of them, as a page",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", metavar="SESSION", nargs="?", help="the beginning of its id")
    which.add_argument("--trend", action="store_true", help="every conversation, over time")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the page (default: report-SESSION.html or trend.html, here)",
    )
    add_records_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the page and say where it lies."""
    store = RecordStore(options.records)
    if options.trend:
        summaries = [store.summary(session_id) for session_id in store.ids()]
        text = render_trend([summary for summary in summaries if summary is not None])
        default = "trend.html"
    else:
        session_id = store.find(options.id)
        text = render_report(store.record(session_id))
        default = f"report-{session_id[:8]}.html"
    output: Path = options.output or Path(default)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RecordError(f"{output}: cannot be written ({error.strerror})") from error
    print(output)
    return 0
