"""Moshi's WebSocket protocol at `/api/chat`: bytes to events and back, for either side.

A binary message is a byte of kind and its payload. Sound is Ogg pages of Opus, 24 kHz mono, passed
on as bytes: whoever holds the connection decodes them. Not here: sockets, clocks, Opus. The three
kinds of handshake (one byte of Python's server, two of the browser, nine of the Rust server) are
all read; what is written is what moshi 0.2.13 writes.

Source: kyutai-labs/moshi e6a55d2, `rust/protocol.md` and `moshi/moshi/server.py`.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any, TypeAlias

from voiceagent.errors import BadMessage, MessageTooBig, UnsupportedVersion

PATH = "/api/chat"
VERSION = 0
#: No message is larger: a receiver of whole messages needs no more memory.
MAX_MESSAGE_BYTES = 256 * 1024
MAX_TEXT_BYTES = 4096
MAX_METADATA_BYTES = 64 * 1024


class Kind(enum.IntEnum):
    """The first byte of a message."""

    HANDSHAKE = 0
    AUDIO = 1
    TEXT = 2
    CONTROL = 3
    METADATA = 4
    ERROR = 5
    PING = 6


class Action(enum.IntEnum):
    """What a `Control` asks for; nobody who streams both ways needs it."""

    START = 0
    END_TURN = 1
    PAUSE = 2
    RESTART = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Handshake:
    """The server is ready. Sound and text come after it.

    Attributes:
        model: version of the model; None where none is told.
    """

    model: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Audio:
    """Sound of the sender: Ogg pages; the first of a conversation are the stream's headers."""

    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A piece of what the agent says; one that begins with a space begins a word."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Control:
    """See `Action`."""

    action: Action


@dataclasses.dataclass(frozen=True, slots=True)
class Metadata:
    """What the server says about itself."""

    values: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Error:
    """What went wrong on the other side."""

    description: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ping:
    """The other side is there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Unknown:
    """A kind of message that is not of this protocol; to be ignored."""

    kind: int


Event: TypeAlias = Handshake | Audio | Text | Control | Metadata | Error | Ping | Unknown

_MAX_BYTES: dict[int, int] = {
    Kind.TEXT: MAX_TEXT_BYTES,
    Kind.METADATA: MAX_METADATA_BYTES,
    Kind.ERROR: MAX_TEXT_BYTES,
}
#: May come before the handshake; Rust's server sends its metadata first.
_BEFORE_HANDSHAKE = (Handshake, Metadata, Error, Ping, Unknown)


class ServerMessages:
    """What a server says, in order. Next: `receive` each message; sound goes out when `is_open`."""

    def __init__(self) -> None:
        #: Whether the handshake has come.
        self.is_open = False

    def receive(self, message: bytes | str) -> Event:
        """Take one message.

        Raises:
            ProtocolError: it means nothing, is too big, of another version, or comes when it may
                not; the conversation is over.
        """
        event = decode(message)
        if not self.is_open and not isinstance(event, _BEFORE_HANDSHAKE):
            raise BadMessage(f"{_name(event)} before the handshake")
        if self.is_open and isinstance(event, Handshake):
            raise BadMessage("a second handshake")
        self.is_open |= isinstance(event, Handshake)
        return event


def decode(message: bytes | str) -> Event:
    """Return what a message means.

    Args:
        message: as the WebSocket gives it; text is never right.

    Raises:
        BadMessage: it means nothing.
        MessageTooBig: it is above the cap of its kind.
        UnsupportedVersion: a handshake of another version.
    """
    if isinstance(message, str):
        raise BadMessage("a text message, where all are binary")
    if not message:
        raise BadMessage("an empty message")
    kind, payload = message[0], message[1:]
    most = _MAX_BYTES.get(kind, MAX_MESSAGE_BYTES)
    if len(payload) > most:
        raise MessageTooBig(f"a message of kind {kind} has {len(payload)} bytes, more than {most}")
    match kind:
        case Kind.HANDSHAKE:
            return _handshake(payload)
        case Kind.AUDIO:
            return Audio(payload)
        case Kind.TEXT:
            return Text(_utf8(payload, "text"))
        case Kind.CONTROL:
            return _control(payload)
        case Kind.METADATA:
            return _metadata(payload)
        case Kind.ERROR:
            return Error(_utf8(payload, "error"))
        case Kind.PING:
            return Ping()
    return Unknown(kind)


def encode(event: Event) -> bytes:
    """Return the message that means this.

    Raises:
        ValueError: an `Unknown`, which has no meaning.
    """
    match event:
        case Handshake(model):
            return bytes([Kind.HANDSHAKE]) + _versions(model)
        case Audio(data):
            return bytes([Kind.AUDIO]) + data
        case Text(text):
            return bytes([Kind.TEXT]) + text.encode()
        case Control(action):
            return bytes([Kind.CONTROL, action])
        case Metadata(values):
            return bytes([Kind.METADATA]) + json.dumps(values).encode()
        case Error(description):
            return bytes([Kind.ERROR]) + description.encode()
        case Ping():
            return bytes([Kind.PING])
    raise ValueError(f"{event} is no message of this protocol")


def _handshake(payload: bytes) -> Handshake:
    """None, two bytes or two 32-bit numbers: the protocol's version and the model's."""
    if len(payload) not in (0, 2, 8):
        raise BadMessage(f"a handshake of {len(payload)} bytes, where 0, 2 or 8 are known")
    if not payload:
        return Handshake()
    half = len(payload) // 2
    version = int.from_bytes(payload[:half], "little")
    if version != VERSION:
        raise UnsupportedVersion(version)
    return Handshake(int.from_bytes(payload[half:], "little"))


def _control(payload: bytes) -> Control:
    if len(payload) != 1 or payload[0] >= len(Action):
        raise BadMessage(
            f"a control of {payload[:8].hex(' ') or 'no bytes'}, where one of 0 to 3 is"
        )
    return Control(Action(payload[0]))


def _metadata(payload: bytes) -> Metadata:
    try:
        values = json.loads(_utf8(payload, "metadata"))
    except (ValueError, RecursionError) as error:
        raise BadMessage("metadata that are no JSON") from error
    if not isinstance(values, dict):
        raise BadMessage("metadata that are no JSON object")
    return Metadata(values)


def _utf8(payload: bytes, name: str) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise BadMessage(f"{name} that is no UTF-8") from error


def _versions(model: int | None) -> bytes:
    if model is None:
        return b""
    return VERSION.to_bytes(4, "little") + model.to_bytes(4, "little")


def _name(event: Event) -> str:
    return type(event).__name__.lower()
