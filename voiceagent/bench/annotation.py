"""What happens in a recording, read from the files beside it.

Each reader takes a recording's folder and the shape that Full-Duplex-Bench gives its task; seconds
from the start. What is missing or malformed is one error that names file and field.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceagent.bench.transcript import read_json, time_span
from voiceagent.errors import BenchError
from voiceagent.scenes.folder import read_annotation
from voiceagent.scenes.scene import Scene

Stretch = tuple[float, float]

SCENE_FILE = "annotation.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """What is known about a recording; what a task has nothing of is empty.

    Attributes:
        pauses: within the user's turn.
        turn_end_s: when the user's turn ends.
        overlap: what begins over the agent, from its onset to its end.
        context_text: what the agent is answering when it begins.
        overlap_text: what is said then.
        scene: the script of one of our own scenes.
    """

    pauses: tuple[Stretch, ...] = ()
    turn_end_s: float | None = None
    overlap: Stretch | None = None
    context_text: str = ""
    overlap_text: str = ""
    scene: Scene | None = None


def read_pause(folder: Path) -> Annotation:
    """``pause.json``: a list of pauses."""
    entries = _entries(folder / "pause.json")
    return Annotation(
        pauses=tuple(_whole(entry, f"{folder / 'pause.json'}[{i}]") for i, entry in entries)
    )


def read_turn(folder: Path) -> Annotation:
    """``turn_taking.json``: the first entry's start is the end of the user's turn."""
    (index, entry), *_ = _entries(folder / "turn_taking.json")
    start_s, _ = time_span(entry, f"{folder / 'turn_taking.json'}[{index}]")
    return Annotation(turn_end_s=start_s)


def read_interruption(folder: Path) -> Annotation:
    """``interrupt.json``: the first entry's texts and times."""
    path = folder / "interrupt.json"
    (_, entry), *_ = _entries(path)
    return Annotation(
        overlap=_whole(entry, f"{path}[0]"),
        context_text=_text(entry, "context", path),
        overlap_text=_text(entry, "interrupt", path),
    )


def read_nothing(folder: Path) -> Annotation:
    """Nothing is annotated."""
    return Annotation()


def read_overlap(folder: Path) -> Annotation:
    """``metadata.json``: texts and ``"timestamps": [start, end]``."""
    path = folder / "metadata.json"
    document = read_json(path)
    if not isinstance(document, dict):
        raise BenchError(f"{path}: expected an object")
    return Annotation(
        overlap=_whole({"timestamp": document.get("timestamps")}, f'{path}: "timestamps"'),
        context_text=_text(document, "context_text", path),
        overlap_text=_text(document, "current_turn_text", path),
    )


def read_scene(folder: Path) -> Annotation:
    """``annotation.json`` of one of our own scenes: what the others hold, to the ms."""
    scene = read_annotation(folder)
    questions = scene.of_kind("question")
    parts = (*scene.of_kind("part"), *questions)
    overlaps = scene.of_kind("interruption", "backchannel", "side_talk", "background")
    pauses = [(a.end_ms / 1000, b.start_ms / 1000) for a, b in itertools.pairwise(parts)]
    overlap = overlaps[0] if overlaps else None
    return Annotation(
        pauses=tuple(pauses),
        turn_end_s=questions[0].end_ms / 1000 if questions else None,
        overlap=(overlap.start_ms / 1000, overlap.end_ms / 1000) if overlap else None,
        context_text=" ".join(part.text for part in parts),
        overlap_text=overlap.text if overlap else "",
        scene=scene,
    )


def _entries(path: Path) -> list[tuple[int, Any]]:
    document = read_json(path)
    if not isinstance(document, list) or not document:
        raise BenchError(f"{path}: expected a list with at least one entry")
    return list(enumerate(document))


def _whole(entry: Any, origin: str) -> Stretch:
    start_s, end_s = time_span(entry, origin)
    if end_s is None or end_s < start_s:
        raise BenchError(f"{origin}: {start_s} to {end_s} is no span of time")
    return start_s, end_s


def _text(document: Any, field: str, path: Path) -> str:
    value = document.get(field, "")
    if not isinstance(value, str):
        raise BenchError(f'{path}: "{field}" is no text but {value!r}')
    return value
