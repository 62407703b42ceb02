"""Past conversations over HTTP: how one went, in short and as a page.

Only those of this gateway's records folder, named by their whole id, never by a path. The page is
made by a process of its own, one at a time: a long trace would take the media's time and memory.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voiceagent.errors import RecordError
from voiceagent.gateway.offer import OfferRefused
from voiceagent.records.store import RecordStore

#: Pages that may wait for the one that is being made.
MAX_WAITING = 4
REPORT_WITHIN_S = 60.0
#: A conversation that has just ended is written down within so long.
SETTLE_WITHIN_S = 8.0

_ID = re.compile(r"[0-9a-f]{32}")
_log = logging.getLogger(__name__)


class PastSessions:
    """Over one folder of records; with none, there are no sessions."""

    def __init__(
        self,
        root: Path | None,
        recording: Mapping[str, asyncio.Event],
        settle_within_s: float = SETTLE_WITHIN_S,
    ) -> None:
        """Nothing is read before it is asked for.

        Args:
            root: the folder.
            recording: sessions that are still being written to it; the event says that one is done.
            settle_within_s: how long to wait for that.
        """
        self._root = root
        self._recording = recording
        self._settle_within_s = settle_within_s
        self._making = asyncio.Lock()
        self._waiting = 0

    async def brief(self, session_id: str) -> dict[str, Any]:
        """How a conversation went: `{id, duration_ms, end_reason, axes}`.

        Raises:
            OfferRefused: 404, 409 where it goes on, or 500 for a record that cannot be read.
        """
        root = await self._root_of(session_id)
        try:
            summary = await asyncio.to_thread(RecordStore(root).summary, session_id)
        except RecordError as error:
            raise _unreadable(session_id, str(error)) from error
        if summary is None or summary.axes is None:
            raise OfferRefused(404, "this session has no summary", code="no_summary")
        return {
            "id": session_id,
            "duration_ms": summary.duration_ms,
            "end_reason": summary.end_reason,
            "axes": summary.axes.brief(),
        }

    async def report(self, session_id: str) -> bytes:
        """The conversation's page, HTML.

        Raises:
            OfferRefused: as `brief`, and 503 where too many are wanted at once.
        """
        root = await self._root_of(session_id)
        if self._waiting > MAX_WAITING:
            raise OfferRefused(503, "too many reports are being made", 5.0, code="busy")
        self._waiting += 1
        try:
            async with self._making:
                return await _render(root, session_id)
        finally:
            self._waiting -= 1

    async def _root_of(self, session_id: str) -> Path:
        """The folder, once it is sure that the session's record lies there and is whole."""
        is_id = _ID.fullmatch(session_id) is not None
        if self._root is None or not is_id or not (self._root / session_id).is_dir():
            raise OfferRefused(404, "there is no record of such a session", code="no_session")
        if done := self._recording.get(session_id):
            await self._settle(done)
        return self._root

    async def _settle(self, done: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._settle_within_s):
                await done.wait()
        except TimeoutError as error:
            raise OfferRefused(409, "this session still goes on", code="still_running") from error


async def _render(root: Path, session_id: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voiceagent.records", str(root), session_id),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(REPORT_WITHIN_S):
            page, said = await process.communicate()
    except TimeoutError as error:
        raise _unreadable(session_id, f"no page within {REPORT_WITHIN_S:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise _unreadable(session_id, said.decode(errors="replace").strip())
    return page


def _unreadable(session_id: str, reason: str) -> OfferRefused:
    """Logged whole; a caller is not told where files lie."""
    _log.error("the record of session %s cannot be shown: %s", session_id, reason)
    return OfferRefused(500, "this session's record cannot be shown", code="record_unreadable")
