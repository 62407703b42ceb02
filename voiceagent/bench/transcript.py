"""What one side said, word by word, in the file shape that Full-Duplex-Bench reads.

``{"text": ..., "chunks": [{"text": word, "timestamp": [start, end]}]}``. Times are seconds from the
start of the recording, as floats: the official verdicts compare them unrounded, so whole
milliseconds would change some. The last end may be null in old files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from voiceagent.errors import BenchError

#: How long a word lasts that nobody knows the end of.
WORD_S = 0.35


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word, and when it was said.

    Attributes:
        text: as recognised.
        start_s: seconds from the start of the recording.
        end_s: likewise; None where the recogniser did not know.
    """

    text: str
    start_s: float
    end_s: float | None

    @property
    def last_s(self) -> float:
        """Its end, or its start where no end is known."""
        return self.start_s if self.end_s is None else self.end_s


Transcript: TypeAlias = tuple[TimedWord, ...]


def with_ends(words: Sequence[TimedWord]) -> Transcript:
    """Words that are known as they begin: each ends with the next, or after a usual time."""
    next_s = [*(word.start_s for word in words), math.inf][1:]
    return tuple(
        TimedWord(word.text, word.start_s, round(min(end_s, word.start_s + WORD_S), 3))
        for word, end_s in zip(words, next_s, strict=True)
        if word.text
    )


def text_of(words: Sequence[TimedWord]) -> str:
    """The words as one text."""
    return " ".join(word.text.strip() for word in words)


def shifted(words: Iterable[TimedWord], by_s: float) -> Transcript:
    """The same words, later."""
    return tuple(
        TimedWord(w.text, w.start_s + by_s, None if w.end_s is None else w.end_s + by_s)
        for w in words
    )


def to_json(words: Sequence[TimedWord]) -> dict[str, Any]:
    """As it is written to ``output.json``."""
    chunks = [{"text": w.text, "timestamp": [w.start_s, w.end_s]} for w in words]
    return {"text": text_of(words), "chunks": chunks}


def read_transcript(path: Path) -> Transcript:
    """Read a file of words.

    Raises:
        BenchError: missing, no JSON, or of another shape: says where.
    """
    return parse_transcript(read_json(path), str(path))


def parse_transcript(document: Any, origin: str) -> Transcript:
    """Words of a parsed document; see the module's docstring.

    Raises:
        BenchError: of another shape: names the place.
    """
    chunks = document.get("chunks") if isinstance(document, dict) else None
    if not isinstance(chunks, list):
        raise BenchError(f'{origin}: expected an object with a list "chunks"')
    return tuple(_word(chunk, f"{origin}: chunks[{i}]") for i, chunk in enumerate(chunks))


def read_json(path: Path) -> Any:
    """Parse a file.

    Raises:
        BenchError: it is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise BenchError(f"{path}: not JSON ({error})") from error


def time_span(entry: Any, origin: str) -> tuple[float, float | None]:
    """The "timestamp" of an entry.

    Raises:
        BenchError: it is no pair of seconds, the second of which may be null.
    """
    pair = entry.get("timestamp") if isinstance(entry, dict) else None
    if not isinstance(pair, list) or len(pair) != 2:
        raise BenchError(f'{origin}: expected "timestamp": [start, end]')
    start, end = pair
    if not _is_time(start) or not (end is None or _is_time(end)):
        raise BenchError(f"{origin}: timestamp {pair} is not in seconds from the start")
    return float(start), None if end is None else float(end)


def _word(chunk: Any, origin: str) -> TimedWord:
    start_s, end_s = time_span(chunk, origin)
    text = chunk.get("text")
    if not isinstance(text, str):
        raise BenchError(f'{origin}: expected "text" to be a word, not {text!r}')
    return TimedWord(text, start_s, end_s)


def _is_time(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0
