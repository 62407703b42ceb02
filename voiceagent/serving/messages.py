"""What gateway and engine processes say to each other: frozen dataclasses <-> bytes.

One message is a fixed prefix (version, tag, header length), a JSON header with exactly the fields
of its dataclass, and for sound the frame's float32 samples as they lie in memory. Nothing is
unpickled, unknown or missing fields are errors. Not here: sockets, and who may say what when
(`hub`, `ports`). Both processes run on one machine: byte order and monotonic clock are shared.
"""

from __future__ import annotations

import dataclasses
import json
import re
import struct
import types
import typing
from typing import Any, TypeAlias

import numpy as np

from voiceagent.audio.framing import FRAME_SAMPLES, Samples
from voiceagent.errors import MalformedMessage
from voiceagent.serving.config import SessionOptions

VERSION = 4
#: Frames are below 12 KiB, a role of 4000 characters and 256 voices below 50.
MAX_MESSAGE_BYTES = 64 * 1024
_PREFIX = struct.Struct("<BBH")
_PCM = "pcm"
_TEXTS = tuple[str, ...]
_ID = re.compile(r"[0-9a-f]{32}")


@dataclasses.dataclass(frozen=True, slots=True)
class SessionKey:
    """Names one session of one engine process.

    Attributes:
        id: 128 random bits as 32 hexadecimal digits: to be known is to be allowed.
        slot: its row in the batch.
        generation: of the slot; a message of an older one is stale.
    """

    id: str
    slot: int
    generation: int

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"id must be 32 hexadecimal digits, not {self.id[:40]!r}")
        if not (0 <= self.slot < 2**16 and 0 <= self.generation < 2**63):
            raise ValueError("slot and generation must be in range")


@dataclasses.dataclass(frozen=True, slots=True)
class OpenSession:
    """Gateway to engine: start a conversation. Answer: `SessionOpened` or `SessionRefused`."""

    request: int
    options: SessionOptions


@dataclasses.dataclass(frozen=True, slots=True)
class SessionOpened:
    """Engine to gateway: the slot is yours.

    Attributes:
        is_prompted: the session is told what its options ask for; not every model can be.
        is_preparing: its prompt is still to be fed; `SessionReady` follows.
    """

    request: int
    key: SessionKey
    is_prompted: bool
    is_preparing: bool


@dataclasses.dataclass(frozen=True, slots=True)
class SessionReady:
    """Engine to gateway: the session's prompt has been fed; from now on it hears."""

    key: SessionKey


@dataclasses.dataclass(frozen=True, slots=True)
class SessionRefused:
    """Engine to gateway: every slot is taken."""

    request: int
    num_slots: int
    retry_after_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class OptionsRefused:
    """Engine to gateway: what was asked for cannot be had; says why."""

    request: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class UserFrame:
    """Gateway to engine: 80 ms of the user, float32 [1920].

    Attributes:
        key: whose.
        complete_us: when its last sample came, on the machine's monotonic clock.
        pcm: the samples.
    """

    key: SessionKey
    complete_us: int
    pcm: Samples


@dataclasses.dataclass(frozen=True, slots=True)
class AgentFrame:
    """Engine to gateway: what one step gave. Fields as in `session.SessionFrame`.

    Attributes:
        complete_us: of the user's frame that this step answers.
        step_us: how long the step of the whole batch took.
        turn: plain values as JSON has them; floats come back to the last bit.
    """

    key: SessionKey
    step: int
    complete_us: int
    step_us: int
    said: str | None
    heard: str | None
    p_pad: float
    p_epad: float
    entropy: float
    is_gated: bool
    is_filled: bool
    skipped_frames: int
    pcm: Samples
    turn: dict[str, Any] | None = None
    generation: int = 0
    is_flush: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class SoundPlayed:
    """Gateway to engine: the caller has heard so much of the agent's sound since its first frame.

    Where none comes, the engine guesses.
    """

    key: SessionKey
    played_ms: int

    def __post_init__(self) -> None:
        if self.played_ms < 0:
            raise ValueError(f"played_ms must be at least 0, not {self.played_ms}")


@dataclasses.dataclass(frozen=True, slots=True)
class Announce:
    """Gateway to engine: 80 ms more of an announcement, as `announcement.AnnouncedFrame`."""

    key: SessionKey
    said: str | None
    is_first: bool
    is_held: bool
    pcm: Samples


@dataclasses.dataclass(frozen=True, slots=True)
class CloseSession:
    """Gateway to engine: the conversation is over. Answer: `SessionEnded`."""

    key: SessionKey


@dataclasses.dataclass(frozen=True, slots=True)
class SessionEnded:
    """Engine to gateway: nothing more comes of this session."""

    key: SessionKey
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ping:
    """Gateway to engine: still here. Answer: `Pong`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pong:
    """Engine to gateway: still here."""


@dataclasses.dataclass(frozen=True, slots=True)
class GetStatus:
    """Gateway to engine. Answer: `StatusReport`."""

    request: int


@dataclasses.dataclass(frozen=True, slots=True)
class EngineStatus:
    """How an engine process is doing; all counts since it started.

    Attributes:
        model: its name or folder; "echo" for the echo engine.
        is_promptable: whether a session may have a role and a voice.
        voices: ids of those that may be asked for.
        pid: of its process.
        num_slots: conversations that it can hold at once.
        num_free: sessions that could be opened now.
        num_preparing: sessions whose prompt is being fed.
        steps: of the batch, whatever the number of slots in it.
        frames: of single sessions.
        step_p50_us: median time of a recent step.
        step_p99_us: 99th percentile.
        queued_frames: of users, complete and waiting now; the most of any session.
        missed_deadlines: frames answered more than 80 ms after they were complete.
        silent_frames: fed to sessions whose sound was late.
        late_frames: of users, dropped because silence had taken their place.
        dropped_in_frames: of users, dropped because too many waited.
        dropped_out_messages: to gateways that did not read.
        stale_messages: for sessions that are over.
        bad_messages: that meant nothing.
        refused_sessions: for want of a slot.
        vanished_clients: that said nothing for too long while they held a slot.
        failed_steps: that raised.
        late_observations: frames that turn-taking decided without being told what was heard.
        rewound_frames: steps that it had taken back or again.
        flushes: times that it made sound on its way to a user void.
        turn_events: things that its watchdogs saw.
    """

    model: str
    is_promptable: bool
    voices: tuple[str, ...]
    pid: int
    num_slots: int
    num_free: int
    num_preparing: int
    steps: int
    frames: int
    step_p50_us: int
    step_p99_us: int
    queued_frames: int
    missed_deadlines: int
    silent_frames: int
    late_frames: int
    dropped_in_frames: int
    dropped_out_messages: int
    stale_messages: int
    bad_messages: int
    refused_sessions: int
    vanished_clients: int
    failed_steps: int
    late_observations: int
    rewound_frames: int
    flushes: int
    turn_events: int


@dataclasses.dataclass(frozen=True, slots=True)
class StatusReport:
    """Engine to gateway."""

    request: int
    status: EngineStatus


FromGateway: TypeAlias = (
    OpenSession | UserFrame | SoundPlayed | Announce | CloseSession | Ping | GetStatus
)
FromEngine: TypeAlias = (
    SessionOpened
    | SessionRefused
    | AgentFrame
    | SessionEnded
    | Pong
    | StatusReport
    | SessionReady
    | OptionsRefused
)
Message: TypeAlias = FromGateway | FromEngine

#: The tag on the wire is the place in this table: append only, or raise VERSION.
_CLASSES: tuple[type[Message], ...] = (
    OpenSession,
    SessionOpened,
    SessionRefused,
    UserFrame,
    AgentFrame,
    CloseSession,
    SessionEnded,
    Ping,
    Pong,
    GetStatus,
    StatusReport,
    SessionReady,
    OptionsRefused,
    SoundPlayed,
    Announce,
)
_TAGS = {cls: tag for tag, cls in enumerate(_CLASSES)}


def encode(message: Message) -> bytes:
    """One message as bytes; the inverse of `decode`."""
    header, pcm = {}, b""
    for name in _fields(type(message)):
        value = getattr(message, name)
        if name == _PCM:
            pcm = value.tobytes()
        else:
            header[name] = _plain(value)
    text = json.dumps(header, separators=(",", ":")).encode()
    return _PREFIX.pack(VERSION, _TAGS[type(message)], len(text)) + text + pcm


def decode(data: bytes) -> Message:
    """The message that these bytes are.

    Raises:
        MalformedMessage: they are none of this version.
    """
    if len(data) < _PREFIX.size:
        raise MalformedMessage(f"{len(data)} bytes are too few")
    version, tag, header_bytes = _PREFIX.unpack_from(data)
    if version != VERSION:
        raise MalformedMessage(f"version {version}, this process speaks {VERSION}")
    if tag >= len(_CLASSES):
        raise MalformedMessage(f"unknown tag {tag}")
    start = _PREFIX.size + header_bytes
    cls = _CLASSES[tag]
    try:
        header = json.loads(data[_PREFIX.size : start])
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"the header of {cls.__name__} is no JSON") from error
    if isinstance(header, dict) and _PCM in _fields(cls):
        header[_PCM] = _samples(data[start:])
    elif len(data) != start:
        raise MalformedMessage(f"{cls.__name__} with {len(data) - start} bytes too many")
    return typing.cast(Message, _build(cls, header))


def _samples(data: bytes) -> Samples:
    if len(data) != FRAME_SAMPLES * 4:
        raise MalformedMessage(f"a frame is {FRAME_SAMPLES * 4} bytes of sound, not {len(data)}")
    return np.frombuffer(data, np.float32)


def _plain(value: Any) -> Any:
    if not dataclasses.is_dataclass(value):
        return value
    return {name: getattr(value, name) for name in _fields(type(value))}


_FIELDS: dict[type, dict[str, Any]] = {}


def _fields(cls: type) -> dict[str, Any]:
    """Name and type of each field; worked out once a class."""
    if cls not in _FIELDS:
        _FIELDS[cls] = typing.get_type_hints(cls)
    return _FIELDS[cls]


def _build(cls: type, values: Any) -> Any:
    """A dataclass of exactly these values, each of its declared type."""
    fields = _fields(cls)
    if not isinstance(values, dict) or values.keys() != fields.keys():
        raise MalformedMessage(f"the fields of {cls.__name__} are {', '.join(fields) or 'none'}")
    for name, expected in fields.items():
        if dataclasses.is_dataclass(expected):
            values[name] = _build(typing.cast(type, expected), values[name])
        elif expected == _TEXTS and isinstance(values[name], list):
            values[name] = _texts(cls, name, values[name])
        elif name != _PCM and not _fits(values[name], expected):
            raise MalformedMessage(f"{cls.__name__}.{name} is {values[name]!r}"[:200])
    try:
        return cls(**values)
    except ValueError as error:
        raise MalformedMessage(f"{cls.__name__}: {error}") from error


def _texts(cls: type, name: str, values: list[Any]) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise MalformedMessage(f"{cls.__name__}.{name} is {values!r}"[:200])
    return tuple(values)


def _fits(value: Any, expected: Any) -> bool:
    if isinstance(expected, types.UnionType):
        return any(_fits(value, kind) for kind in typing.get_args(expected))
    if expected is float:
        return type(value) in (int, float)
    return type(value) is (typing.get_origin(expected) or expected)
