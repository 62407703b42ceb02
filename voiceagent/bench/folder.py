"""A run on disk: what was planned, and for every recording what came of it, whole or not at all.

``run.json`` says what is run and with what. Beside it ``TASK/ID/`` holds ``output.wav`` (16 bit,
exactly as long as the input), ``output.state.json`` once that is whole or has failed,
``output.text.json`` where the target told its words, ``output.json``, the words that are scored,
``input.json``, the user's where a judge reads them, and ``output.judged.json``, its verdict. A
clean twin has the same files with ``clean_`` before their names. Whatever is killed at any point
leaves either all of a file or nothing of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from voiceagent_codec.files import whole_file

from voiceagent.bench.transcript import Transcript, parse_transcript, read_json, to_json
from voiceagent.errors import BenchError

SCHEMA = 1
DONE, FAILED = "done", "failed"
_MANIFEST = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is to do.

    Attributes:
        suite: its name.
        data: where the recordings lie.
        keys: of the samples, in order.
        target: what it says about itself; empty until the run has begun.
        settings: of the suite: seed and voices of our own scenes, the choice of tasks.
    """

    suite: str
    data: str
    keys: tuple[str, ...]
    target: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """What came of one recording.

    Attributes:
        status: "done" or "failed".
        reason: why it failed; empty otherwise.
        duration_s: of the input; 0 where that is not known.
    """

    status: str
    reason: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Words that are scored, and where they come from.

    Attributes:
        words: on the recording's clock.
        source: the recogniser's name, version and settings.
    """

    words: Transcript
    source: dict[str, Any]


class RunFolder:
    """See the module's docstring."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def has_plan(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / _MANIFEST).is_file()

    def plan(self) -> Plan:
        """What the run is to do.

        Raises:
            BenchError: there is no run here, or one of another version.
        """
        if not self.has_plan:
            raise BenchError(f"{self.path}: holds no run; start one with 'voiceagent bench run'")
        document = read_json(self.path / _MANIFEST)
        try:
            if document.pop("schema") != SCHEMA:
                raise BenchError(f"{self.path / _MANIFEST}: of another version")
            return Plan(**{**document, "keys": tuple(document["keys"])})
        except (AttributeError, KeyError, TypeError) as error:
            raise BenchError(f"{self.path / _MANIFEST}: is no plan of a run ({error})") from error

    def begin(self, plan: Plan) -> None:
        """Write the plan down, or see that it is the one that was begun here.

        Raises:
            BenchError: the folder holds another run, or something that is no run.
        """
        if self.has_plan:
            _check_same(self.path, self.plan(), plan)
            return
        if self.path.is_dir() and any(self.path.iterdir()):
            raise BenchError(f"{self.path}: is not empty and holds no run; name another --out")
        self.path.mkdir(parents=True, exist_ok=True)
        self.write(_MANIFEST, {"schema": SCHEMA, **asdict(plan)})

    def inside(self, key: str, name: str) -> Path:
        """A file of a sample."""
        return self.path / key / name

    def state(self, key: str, take: str = "") -> State | None:
        """What came of a recording; None where it was not played yet."""
        path = self.inside(key, f"{take}output.state.json")
        if not path.is_file():
            return None
        document = read_json(path)
        try:
            return State(**document)
        except TypeError as error:
            raise BenchError(f"{path}: is no state ({error})") from error

    def set_state(self, key: str, take: str, state: State) -> None:
        """Note what came of a recording; of what is done, after its files."""
        self.write(f"{key}/{take}output.state.json", asdict(state))

    def own_words(self, key: str, take: str = "") -> Transcript | None:
        """What the target told of its words; None where it did not."""
        path = self.inside(key, f"{take}output.text.json")
        return parse_transcript(read_json(path), str(path)) if path.is_file() else None

    def set_own_words(self, key: str, take: str, words: Transcript) -> None:
        """Keep what the target told."""
        self.write(f"{key}/{take}output.text.json", to_json(words))

    def recognised(self, key: str, take: str = "", side: str = "output") -> Recognised | None:
        """The words to score, or with "input" the user's; None where nothing was recognised yet."""
        path = self.inside(key, f"{take}{side}.json")
        if not path.is_file():
            return None
        document = read_json(path)
        words = parse_transcript(document, str(path))
        return Recognised(words=words, source=document.get("asr") or {})

    def set_recognised(self, key: str, take: str, found: Recognised, side: str = "output") -> None:
        """Keep the words to score, or the user's."""
        document = {**to_json(found.words), "asr": found.source}
        self.write(f"{key}/{take}{side}.json", document)

    def judged(self, key: str) -> dict[str, Any] | None:
        """What a judge said of a recording, and on what; None where none was asked.

        Raises:
            BenchError: the file is damaged.
        """
        path = self.inside(key, "output.judged.json")
        if not path.is_file():
            return None
        document = read_json(path)
        if not isinstance(document, dict) or not {"judge", "words_sha256"} <= set(document):
            raise BenchError(f"{path}: is no verdict; delete it to ask again")
        return document

    def set_judged(self, key: str, verdict: dict[str, Any]) -> None:
        """Keep what a judge said."""
        self.write(f"{key}/output.judged.json", verdict)

    def write(self, name: str, document: Any) -> None:
        """Write JSON, whole or not at all."""
        self.write_text(name, json.dumps(document, indent=1) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write text, whole or not at all.

        Raises:
            BenchError: it cannot be written.
        """
        path = self.path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as partial:
                partial.write_text(text, encoding="utf-8")
        except OSError as error:
            raise BenchError(f"{path}: cannot be written ({error.strerror})") from error


def check_apart(run: Path, data: Path) -> None:
    """See that a run writes nothing into the data.

    Raises:
        BenchError: one folder lies in the other.
    """
    run, data = Path(os.path.realpath(run)), Path(os.path.realpath(data))
    if run == data or data in run.parents:
        raise BenchError(f"{run}: lies in the data, which is never written to; name another --out")


def _check_same(path: Path, begun: Plan, plan: Plan) -> None:
    differing: Sequence[str] = [
        name
        for name in ("suite", "data", "keys", "target", "settings")
        if getattr(begun, name) != getattr(plan, name)
    ]
    if differing:
        raise BenchError(
            f"{path}: holds a run with another {' and '.join(differing)}; "
            "name another --out, or delete that folder"
        )
