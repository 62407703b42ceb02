"""The folder of all session records: list, read, delete. Ids never become paths unchecked."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

from voiceagent.errors import RecordError
from voiceagent.records.recorder import SUMMARY_NAME, TRACE_NAME
from voiceagent.records.schema import SessionSummary, TraceFrame, check_version

_ID = re.compile(r"[0-9a-f]{32}")


@dataclasses.dataclass(frozen=True, slots=True)
class RecordStore:
    """Records below one folder.

    Attributes:
        root: the folder; it need not exist.
    """

    root: Path

    def ids(self) -> list[str]:
        """Every session with a folder, finished or not, oldest first."""
        if not self.root.is_dir():
            return []
        folders = [path for path in self.root.iterdir() if _ID.fullmatch(path.name)]
        return [path.name for path in sorted(folders, key=lambda path: path.stat().st_mtime)]

    def find(self, prefix: str) -> str:
        """The one session whose id begins so.

        Raises:
            RecordError: none does, or several do.
        """
        found = [session_id for session_id in self.ids() if session_id.startswith(prefix)]
        if len(found) != 1 or not prefix:
            count = "no session has" if not found else f"{len(found)} sessions have"
            raise RecordError(f"{count} an id that begins with '{prefix}' in {self.root}")
        return found[0]

    def summary(self, session_id: str) -> SessionSummary | None:
        """The session's summary; None while it runs, or if it died.

        Raises:
            RecordError: no such session, or a summary that cannot be read.
        """
        file = self._folder(session_id) / SUMMARY_NAME
        if not file.exists():
            return None
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise RecordError(f"{file}: not JSON ({error})") from error
        return SessionSummary.from_json(values, str(file))

    def trace(self, session_id: str) -> list[TraceFrame]:
        """Every whole line of the session's trace; a last line cut short is left out.

        Raises:
            RecordError: no such session or trace, another version, or a line that does not fit.
        """
        file = self._folder(session_id) / TRACE_NAME
        try:
            lines = file.read_text(encoding="utf-8").split("\n")[:-1]
        except FileNotFoundError as error:
            raise RecordError(f"{file}: no trace") from error
        try:
            header = json.loads(lines[0]) if lines else {}
            check_version(header.get("schema_version"), str(file))
            return [TraceFrame.from_json(json.loads(line)) for line in lines[1:]]
        except (json.JSONDecodeError, TypeError) as error:
            raise RecordError(f"{file}: damaged ({error})") from error

    def delete(self, session_id: str) -> None:
        """Remove everything of a session.

        Raises:
            RecordError: no such session.
        """
        shutil.rmtree(self._folder(session_id))

    def _folder(self, session_id: str) -> Path:
        folder = self.root / session_id
        if not _ID.fullmatch(session_id) or not folder.is_dir():
            raise RecordError(f"no session '{session_id}' in {self.root}")
        return folder
