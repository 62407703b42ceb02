"""Writes one session's report to standard output: `python -m voiceagent.records FOLDER ID`.

For a server that must not spend its own time, or its interpreter's lock, on it; it yields to
whatever else the machine does. A person types `voiceagent report`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from voiceagent.errors import RecordError
from voiceagent.records.report import render_report
from voiceagent.records.store import RecordStore


def main(folder: str, session_id: str) -> int:
    """Returns 0, or 2 for a record that cannot be read."""
    os.nice(10)
    try:
        text = render_report(RecordStore(Path(folder)).record(session_id))
    except RecordError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.buffer.write(text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
