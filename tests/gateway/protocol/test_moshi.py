"""The protocol against what moshi 0.2.13 sent (golden files) and against rubbish."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.errors import BadMessage, MessageTooBig, ProtocolError, UnsupportedVersion
from voiceagent.gateway.protocol import moshi
from voiceagent.gateway.protocol.moshi import (
    Action,
    Audio,
    Control,
    Error,
    Handshake,
    Metadata,
    Ping,
    ServerMessages,
    Text,
    Unknown,
    decode,
    encode,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "moshi_protocol"
#: The bytes of `rust/protocol.md`.
SPECIFIED = {
    b"\x00": Handshake(),
    b"\x00\x00\x00\x00\x00\x07\x00\x00\x00": Handshake(7),
    b"\x01OggS": Audio(b"OggS"),
    b"\x02 caf\xc3\xa9": Text(" café"),
    b"\x03\x00": Control(Action.START),
    b"\x03\x01": Control(Action.END_TURN),
    b"\x03\x02": Control(Action.PAUSE),
    b"\x03\x03": Control(Action.RESTART),
    b'\x04{"model": 1}': Metadata({"model": 1}),
    b"\x05no free slot": Error("no free slot"),
    b"\x06": Ping(),
}


def golden(name):
    """Messages of a wire file, each behind its length."""
    data, messages = (GOLDEN / f"{name}.bin").read_bytes(), []
    while data:
        end = 4 + int.from_bytes(data[:4], "little")
        messages.append(data[4:end])
        data = data[end:]
    return messages


@pytest.mark.parametrize("name", ["server", "client"])
def test_what_moshi_sent_is_understood_and_written_back_to_the_byte(name):
    messages = golden(name)
    events = [decode(message) for message in messages]
    assert not [event for event in events if isinstance(event, Unknown)]
    assert [encode(event) for event in events] == messages


def test_moshis_server_opens_with_a_handshake_and_then_speaks_and_writes():
    server = ServerMessages()
    first, *events = [server.receive(message) for message in golden("server")]
    assert first == Handshake()
    assert {type(event) for event in events} == {Audio, Text}
    assert all(event.data[:4] == b"OggS" for event in events if isinstance(event, Audio))


@pytest.mark.parametrize("message", SPECIFIED, ids=lambda message: message.hex(" "))
def test_every_kind_has_its_bytes(message):
    event = SPECIFIED[message]
    assert (decode(message), encode(event)) == (event, message)


def test_the_browsers_handshake_of_two_bytes_is_read():
    assert decode(b"\x00\x00\x05") == Handshake(5)


def test_a_kind_that_is_not_of_the_protocol_is_handed_on_to_be_ignored():
    assert decode(b"\x07\x01 red") == Unknown(7)
    with pytest.raises(ValueError, match="no message"):
        encode(Unknown(7))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("hello", "text message"),
        (b"", "empty"),
        (b"\x00\x00\x00\x00", "handshake of 3 bytes"),
        (b"\x02\xff", "text that is no UTF-8"),
        (b"\x03", "no bytes"),
        (b"\x03\x04", "a control of 04"),
        (b"\x03\x01\x01", "a control of 01 01"),
        (b"\x04\xff", "metadata that is no UTF-8"),
        (b"\x04{", "no JSON"),
        (b"\x04[]", "no JSON object"),
        (b"\x04" + b"[" * 5000, "no JSON"),
        (b"\x05\xff", "error that is no UTF-8"),
    ],
)
def test_a_message_that_means_nothing_is_refused_by_name(message, reason):
    with pytest.raises(BadMessage, match=reason):
        decode(message)


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        (b"\x01", moshi.MAX_MESSAGE_BYTES),
        (b"\x02", moshi.MAX_TEXT_BYTES),
        (b"\x04", moshi.MAX_METADATA_BYTES),
        (b"\x05", moshi.MAX_TEXT_BYTES),
        (b"\x63", moshi.MAX_MESSAGE_BYTES),
    ],
)
def test_a_message_above_the_cap_of_its_kind_is_refused(kind, most):
    with pytest.raises(MessageTooBig, match=f"{most + 1} bytes, more than {most}") as refused:
        decode(kind + b" " * (most + 1))
    assert refused.value.close_code == 1009


def test_another_version_is_refused():
    with pytest.raises(UnsupportedVersion, match="version 3") as refused:
        decode(b"\x00\x03\x00\x00\x00\x00\x00\x00\x00")
    assert (refused.value.version, refused.value.close_code) == (3, 1002)


@pytest.mark.parametrize("message", [b"\x01OggS", b"\x02 hi", b"\x03\x00"])
def test_nothing_is_said_before_the_handshake(message):
    with pytest.raises(BadMessage, match="before the handshake"):
        ServerMessages().receive(message)


def test_metadata_errors_and_pings_may_come_before_the_handshake():
    server = ServerMessages()
    metadata = b"\x04" + json.dumps({"seed": 1}).encode()
    events = [server.receive(message) for message in (metadata, b"\x05full", b"\x06", b"\x09")]
    assert events == [Metadata({"seed": 1}), Error("full"), Ping(), Unknown(9)]
    assert not server.is_open
    server.receive(b"\x00")
    assert server.is_open


def test_a_second_handshake_is_refused():
    server = ServerMessages()
    server.receive(b"\x00")
    with pytest.raises(BadMessage, match="second handshake"):
        server.receive(b"\x00")


@given(st.binary(max_size=64))
def test_any_bytes_are_an_event_or_one_error(message):
    try:
        event = decode(message)
    except ProtocolError:
        return
    assert isinstance(event, Unknown) or decode(encode(event)) == event
