"""The annotation of a rendered conversation: who said what, from when to when, word by word.

Plain data with a JSON form of stable keys and a schema version; times are whole milliseconds from
the start of the scene. No audio (`render` makes it) and no timing rules (`script` has them).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from voiceagent.errors import ConfigError
from voiceagent.scenes.utterance import Word

SCENE_CLASSES = (
    "question",
    "pause",
    "interruption",
    "backchannel",
    "talk_to_others",
    "background_speech",
    "noise",
    "silence",
)
# not classes to score: many questions in one call, for load and endurance; calls to learn from
SESSION, DIALOGUE = "session", "dialogue"
CHANNELS = ("user", "agent", "background")
# a "part" is the beginning of a turn that goes on after a pause; a "murmur" the agent's backchannel
EVENT_KINDS = (
    "question",
    "part",
    "answer",
    "interruption",
    "backchannel",
    "murmur",
    "side_talk",
    "background",
    "noise",
)
OVERLAP_ACTIONS = ("none", "yield", "finish")

_SCHEMA = "voiceagent.scene"
_VERSION = 1
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One utterance, or the noise, on the time line of a scene.

    Attributes:
        kind: one of `EVENT_KINDS`.
        channel: "user" and "agent" talk to each other; "background" is in the user's audio too.
        speaker: id for `speakers.speaker`, or "noise".
        text: what is said; empty for noise.
        start_ms: first sound.
        end_ms: after the last sound.
        words: with times from the start of the *scene*; of a cut answer those that had begun.
        addressed: whether it is said to the agent and wants an answer.
    """

    kind: str
    channel: str
    speaker: str
    text: str
    start_ms: int
    end_ms: int
    words: tuple[Word, ...] = ()
    addressed: bool = False

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: naming the field.
        """
        _check_choice("kind", self.kind, EVENT_KINDS)
        _check_choice("channel", self.channel, CHANNELS)
        if not 0 <= self.start_ms <= self.end_ms:
            raise ValueError(f"end_ms: {self.start_ms} to {self.end_ms} is no span of time")
        earliest_ms = self.start_ms
        for word in self.words:
            if not earliest_ms <= word.start_ms <= word.end_ms <= self.end_ms:
                raise ValueError(f"words: {word.text!r} is out of order or outside its event")
            earliest_ms = word.end_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a good agent does in a scene.

    Attributes:
        answers: what it says, in order; empty where it should stay silent.
        on_overlap: what it does when it hears something while it talks: "yield" or "finish".
    """

    answers: tuple[str, ...] = ()
    on_overlap: str = "none"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: naming the field.
        """
        _check_choice("on_overlap", self.on_overlap, OVERLAP_ACTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A rendered conversation without its audio.

    Attributes:
        id: also its folder's name.
        scene_class: one of `SCENE_CLASSES`, `SESSION` or `DIALOGUE`.
        seed: it was made from.
        duration_ms: of both channels; a multiple of 80.
        events: by start.
        expected: what a good agent does.
    """

    id: str
    scene_class: str
    seed: int
    duration_ms: int
    events: tuple[Event, ...]
    expected: Expected

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: naming the field.
        """
        _check_choice("scene_class", self.scene_class, (*SCENE_CLASSES, SESSION, DIALOGUE))
        if not self.id or set(self.id) & set("/\\") or self.id.startswith("."):
            raise ValueError(f"id: {self.id!r} is no name for a folder")
        if any(event.end_ms > self.duration_ms for event in self.events):
            raise ValueError(f"events: one ends after the scene, at {self.duration_ms} ms")
        starts = [event.start_ms for event in self.events]
        if starts != sorted(starts):
            raise ValueError("events: not in the order of their starts")

    def of_kind(self, *kinds: str) -> tuple[Event, ...]:
        """Return the events of these kinds, in order."""
        return tuple(event for event in self.events if event.kind in kinds)

    def to_json(self) -> str:
        """Return the annotation; the same scene gives the same text."""
        document = {"schema": _SCHEMA, "version": _VERSION, **dataclasses.asdict(self)}
        return json.dumps(document, indent=1) + "\n"


def from_json(text: str) -> Scene:
    """Read an annotation.

    Raises:
        ConfigError: it is malformed, or of another schema or version: says where.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"scene annotation: not JSON ({error})") from error
    if not isinstance(document, dict):
        raise ConfigError("scene annotation: expected an object")
    schema, version = document.pop("schema", None), document.pop("version", None)
    if (schema, version) != (_SCHEMA, _VERSION):
        raise ConfigError(
            f"scene annotation: expected {_SCHEMA} version {_VERSION}, got {schema} {version}"
        )
    return _build(Scene, document, "scene")


def _build(cls: type[_T], data: Any, where: str) -> _T:
    """Make a dataclass of this file from parsed JSON, with every type checked."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"scene annotation: {where}: expected an object, got {data!r}")
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if names != set(data):
        wrong = ", ".join(sorted(names ^ set(data)))
        raise ConfigError(f"scene annotation: {where}: missing or unknown: {wrong}")
    values = {name: _value(name, value, f"{where}.{name}") for name, value in data.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"scene annotation: {where}: {error}") from error


def _value(name: str, value: Any, where: str) -> Any:
    nested: dict[str, type] = {"events": Event, "words": Word}
    if name == "expected":
        return _build(Expected, value, where)
    if name in nested or name == "answers":
        if not isinstance(value, list):
            raise ConfigError(f"scene annotation: {where}: expected a list, got {value!r}")
        if name in nested:
            return tuple(
                _build(nested[name], item, f"{where}[{i}]") for i, item in enumerate(value)
            )
        return tuple(_value("answer", item, f"{where}[{i}]") for i, item in enumerate(value))
    wanted: type = str
    if name == "seed" or name.endswith("_ms"):
        wanted = int
    elif name == "addressed":
        wanted = bool
    if type(value) is not wanted:
        raise ConfigError(f"scene annotation: {where}: expected {wanted.__name__}, got {value!r}")
    return value


def _check_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{field}: expected one of {', '.join(choices)}, got {value!r}")
