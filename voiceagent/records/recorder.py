"""Writes one session's folder while the session runs, without ever blocking it.

Trace lines and sound go through a bounded queue to a thread of the recorder's own; when the disk is
too slow for it, lines are dropped and counted. `session.json` is written last, whole or not at all,
so a folder without it is a session that is still running or that died.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import queue
import threading
from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from voiceagent.records.activity import FRAME_MS
from voiceagent.records.axes import DEADLINE_US, Axes, measure
from voiceagent.records.figures import percentile
from voiceagent.records.labels import ActivityLog
from voiceagent.records.schema import SCHEMA_VERSION, SessionHeader, SessionSummary, TraceFrame

TRACE_NAME, SUMMARY_NAME, AUDIO_NAME = "trace.jsonl", "session.json", "audio.wav"
SAMPLE_RATE_HZ = 24_000
#: 20 s of frames: a disk slower than that is not going to catch up.
MAX_QUEUED_ROWS = 250

_Row = tuple[TraceFrame, npt.NDArray[np.float32] | None]


def utc_now() -> str:
    """Now, ISO 8601, to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


class SessionRecorder:
    """See the module's docstring. Next: `frame` for each frame, then `close` once."""

    def __init__(self, root: Path, header: SessionHeader, *, with_audio: bool = False) -> None:
        """Make the folder ``root / header.id`` and start the writer.

        Raises:
            OSError: the folder exists already or cannot be made.
        """
        self.folder = root / header.id
        self.folder.mkdir(parents=True, mode=0o700)
        self._header = header
        self._with_audio = with_audio
        self._rows: queue.Queue[_Row | None] = queue.Queue(MAX_QUEUED_ROWS)
        self._activity = ActivityLog()
        self._step_us, self._lag_us = array("L"), array("L")
        self._heard = self._said = self._gated = self._dropped = self._missed = 0
        self._failure: Exception | None = None
        # a daemon: a session that nobody closes must not keep the process from ending
        self._writer = threading.Thread(
            target=self._write_rows, name=f"record-{header.id[:8]}", daemon=True
        )
        self._writer.start()

    def frame(self, frame: TraceFrame, stereo: npt.NDArray[np.float32] | None = None) -> None:
        """Take one frame; returns at once.

        Args:
            frame: what happened.
            stereo: float32 [1920, 2], user left and agent right; used only when recording sound.
        """
        self._activity.add(frame)
        self._step_us.append(frame.step_us)
        self._lag_us.append(frame.lag_us)
        self._missed += frame.lag_us > DEADLINE_US
        self._heard += frame.heard is not None
        self._said += frame.said is not None
        self._gated += frame.is_gated
        try:
            self._rows.put_nowait((frame, stereo))
        except queue.Full:
            self._dropped += 1

    def close(self, reason: str, *, frames_lost: int = 0) -> SessionSummary:
        """Finish the trace and write the summary. Blocks for the disk: call it off the media loop.

        Raises:
            OSError: the disk refused something; the session itself has long ended well.
        """
        self._rows.put(None)
        self._writer.join()
        if self._failure is not None:
            raise OSError(f"{self.folder}: {self._failure}") from self._failure
        summary = self._summary(reason, frames_lost)
        partial = self.folder / f".{SUMMARY_NAME}.partial"
        partial.write_text(json.dumps(summary.to_json(), indent=1) + "\n", encoding="utf-8")
        os.replace(partial, self.folder / SUMMARY_NAME)
        return summary

    def axes(self, *, frames_lost: int = 0) -> Axes:
        """How the conversation has gone so far; takes about 0.1 s for a call of ten minutes."""
        return self.measurement(frames_lost=frames_lost)()

    def measurement(self, *, frames_lost: int = 0) -> Callable[[], Axes]:
        """What `axes` would do now, to be done in any thread while frames go on coming here."""
        activity, missed = self._activity.copy(), self._missed
        return lambda: measure(
            activity.conversation(),
            deadline_misses=missed,
            concealed_ms=frames_lost * FRAME_MS,
        )

    def _summary(self, reason: str, frames_lost: int) -> SessionSummary:
        return SessionSummary(
            header=self._header,
            ended_at=utc_now(),
            end_reason=reason,
            duration_ms=len(self._step_us) * FRAME_MS,
            words_heard=self._heard,
            words_said=self._said,
            step_p50_us=percentile(self._step_us, 50) or 0,
            step_p99_us=percentile(self._step_us, 99) or 0,
            lag_p99_us=percentile(self._lag_us, 99) or 0,
            frames_gated=self._gated,
            frames_lost=frames_lost,
            trace_rows_dropped=self._dropped,
            has_audio=self._with_audio,
            axes=self.axes(frames_lost=frames_lost),
        )

    def _write_rows(self) -> None:
        try:
            self._write_all()
        except Exception as error:  # noqa: BLE001  # libsndfile has errors of its own
            self._failure = error
            while self._rows.get() is not None:  # so that nobody waits for a full queue
                pass

    def _write_all(self) -> None:
        header = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self._header)}
        sound = None
        if self._with_audio:
            path = self.folder / AUDIO_NAME
            sound = soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 2, subtype="PCM_16")
        with (self.folder / TRACE_NAME).open("w", encoding="utf-8") as trace:
            trace.write(json.dumps(header) + "\n")
            trace.flush()  # who asks for a session that has just begun finds it
            while (row := self._rows.get()) is not None:
                frame, stereo = row
                trace.write(json.dumps(frame.to_json()) + "\n")
                if sound is not None and stereo is not None:
                    sound.write(np.clip(stereo, -1, 1))
        if sound is not None:
            sound.close()
