"""A target that was run elsewhere: its recordings lie in a folder, laid out like the data.

``DIR/TASK/ID/output.wav`` (or ``DIR/ID/output.wav`` where there is one task), any rate; beside it
``output.json`` may hold its words. A recording of another length than its input is refused: a score
needs both on one clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.bench.sound import read_sound
from voiceagent.bench.targets.base import Call, OnSeconds, Outcome, Reply, in_lanes
from voiceagent.bench.transcript import read_transcript
from voiceagent.errors import BenchError


class ReplayTarget:
    """See the module's docstring."""

    def __init__(self, folder: Path) -> None:
        """Name the folder.

        Raises:
            BenchError: there is none.
        """
        if not folder.is_dir():
            raise BenchError(f"replay:{folder}: there is no such folder")
        self._folder = folder

    @property
    def facts(self) -> dict[str, Any]:
        """Where from; a stored run has no pace."""
        return {"target": "replay", "folder": str(self._folder.resolve())}

    def converse(self, calls: Iterable[Call], on_seconds: OnSeconds) -> Iterator[Outcome]:
        """See `Target`."""

        def find(call: Call) -> Reply:
            on_seconds(len(call.user) / SAMPLE_RATE_HZ)
            return self._reply(call)

        yield from in_lanes(calls, find)

    def close(self) -> None:
        """Nothing to let go of."""

    def _reply(self, call: Call) -> Reply:
        path = self._path(call.key)
        sound = read_sound(path)
        transcript = path.with_suffix(".json")
        words = read_transcript(transcript) if transcript.is_file() else None
        return Reply(call.key, sound.pcm, words, sound.rate_hz)

    def _path(self, key: str) -> Path:
        """Of ``TASK/ID/output``; the task's folder may be the one that was named."""
        paths = [self._folder / f"{name}.wav" for name in (key, key.partition("/")[2])]
        found = next((path for path in paths if path.is_file()), None)
        if found is None:
            raise BenchError(f"{paths[0]}: there is no such recording")
        return found
