"""The folder of all session records: list, read, delete. Ids never become paths unchecked."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

from voiceagent.errors import RecordError
from voiceagent.records.activity import FRAME_MS
from voiceagent.records.axes import DEADLINE_US, Axes, measure
from voiceagent.records.labels import estimate
from voiceagent.records.recorder import SUMMARY_NAME, TRACE_NAME
from voiceagent.records.schema import SessionHeader, SessionSummary, TraceFrame, check_version

_ID = re.compile(r"[0-9a-f]{32}")


@dataclasses.dataclass(frozen=True, slots=True)
class SessionRecord:
    """All of a session that lies on disk, but the sound.

    Attributes:
        header: of the session.
        trace: every frame that was written.
        summary: None while it runs, or if it died.
    """

    header: SessionHeader
    trace: list[TraceFrame]
    summary: SessionSummary | None

    @property
    def axes(self) -> Axes:
        """How it went: as written at its end, or, where nothing was, measured on the trace."""
        if self.summary is not None and self.summary.axes is not None:
            return self.summary.axes
        return measure(
            estimate(self.trace),
            deadline_misses=sum(frame.lag_us > DEADLINE_US for frame in self.trace),
            concealed_ms=self.summary.frames_lost * FRAME_MS if self.summary else 0,
        )

    @property
    def duration_ms(self) -> int:
        """Length of the call, as far as it was written."""
        if self.summary is not None:
            return self.summary.duration_ms
        return self.trace[-1].time_ms + FRAME_MS if self.trace else 0


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
        return self._read_trace(session_id)[1]

    def record(self, session_id: str) -> SessionRecord:
        """Header, trace and summary of a session.

        Raises:
            RecordError: as `trace` and `summary`.
        """
        header, frames = self._read_trace(session_id)
        return SessionRecord(header, frames, self.summary(session_id))

    def delete(self, session_id: str) -> None:
        """Remove everything of a session.

        Raises:
            RecordError: no such session.
        """
        shutil.rmtree(self._folder(session_id))

    def _read_trace(self, session_id: str) -> tuple[SessionHeader, list[TraceFrame]]:
        file = self._folder(session_id) / TRACE_NAME
        try:
            lines = file.read_text(encoding="utf-8").split("\n")[:-1]
        except FileNotFoundError as error:
            raise RecordError(f"{file}: no trace") from error
        try:
            first = json.loads(lines[0]) if lines else {}
            check_version(first.pop("schema_version", None), str(file))
            frames = [TraceFrame.from_json(json.loads(line)) for line in lines[1:]]
            return SessionHeader(**first), frames
        except (json.JSONDecodeError, TypeError, AttributeError) as error:
            raise RecordError(f"{file}: damaged ({error})") from error

    def _folder(self, session_id: str) -> Path:
        folder = self.root / session_id
        if not _ID.fullmatch(session_id) or not folder.is_dir():
            raise RecordError(f"no session '{session_id}' in {self.root}")
        return folder
