import dataclasses
import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.errors import MalformedMessage
from voiceagent.serving.config import SessionOptions
from voiceagent.serving.messages import (
    VERSION,
    AgentFrame,
    CloseSession,
    EngineStatus,
    GetStatus,
    OpenSession,
    OptionsRefused,
    Ping,
    Pong,
    SessionEnded,
    SessionKey,
    SessionOpened,
    SessionReady,
    SessionRefused,
    SoundPlayed,
    StatusReport,
    UserFrame,
    decode,
    encode,
)

KEY = SessionKey("0123456789abcdef" * 2, 3, 7)
PCM = np.linspace(-1, 1, 1920, dtype=np.float32)
MESSAGES = [
    OpenSession(1, SessionOptions(text_temperature=0.7, seed=2**62)),
    OpenSession(2, SessionOptions(role="\U0001f600" * 4000, voice="x" * 64, policy="shadow")),
    SoundPlayed(KEY, 640),
    SessionOpened(1, KEY, True, False),
    SessionReady(KEY),
    OptionsRefused(1, "no voice 'x'"),
    SessionRefused(1, 4, 5.0),
    CloseSession(KEY),
    SessionEnded(KEY, "Zürich, \x00 and \n"),
    Ping(),
    Pong(),
    GetStatus(9),
    StatusReport(9, EngineStatus("nano", True, ("a",) * 256, *range(23))),
]
TAG_OF_CLOSE, TAG_OF_PING, TAG_OF_OPEN, TAG_OF_USER_FRAME, TAG_OF_STATUS = 5, 7, 0, 3, 10
TAG_OF_PLAYED = 13


def raw(tag, header, payload=b"", version=VERSION):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<BBH", version, tag, len(text)) + text + payload


def key_fields(**changes):
    return {"key": {"id": "0" * 32, "slot": 0, "generation": 1, **changes}}


def status_fields(**changes):
    return {**dataclasses.asdict(MESSAGES[-1].status), **changes}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_decode_is_the_inverse_of_encode(message):
    assert decode(encode(message)) == message


def test_frames_carry_their_samples_bit_for_bit():
    user = decode(encode(UserFrame(KEY, 123, PCM)))
    agent = decode(
        encode(AgentFrame(KEY, 1, 2, 3, " four", None, 0.1, 0.2, 0.3, True, False, 2, PCM))
    )
    assert (user.key, user.complete_us, agent.said, agent.heard) == (KEY, 123, " four", None)
    assert (user.pcm == PCM).all()
    assert (agent.pcm == PCM).all()


def test_what_turn_taking_decided_comes_back_to_the_last_bit():
    numbers = {"third": 1 / 3, "least": 5e-324, "none": None, "nothing": float("-inf")}
    turn = {"policy": "on", "row": {"observation": numbers, "events": ["loop"]}}
    sent = AgentFrame(
        *(KEY, 1, 2, 3, None, None, 0.1, 0.2, 0.3, True, False, 2, PCM), turn, 5, is_flush=True
    )
    found = decode(encode(sent))
    assert (found.turn, found.generation, found.is_flush) == (turn, 5, True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (raw(TAG_OF_PING, {}, version=9), "version 9"),
        (raw(200, {}), "unknown tag 200"),
        (raw(TAG_OF_PING, b"{"), "no JSON"),
        (raw(TAG_OF_PING, b"[" * 60_000), "no JSON"),
        (raw(TAG_OF_PING, {}, b"x"), "1 bytes too many"),
        (raw(TAG_OF_PING, [1]), "fields of Ping"),
        (raw(TAG_OF_PING, {"a": 1}), "fields of Ping are none"),
        (raw(TAG_OF_CLOSE, key_fields(slot="0")), "SessionKey.slot"),
        (raw(TAG_OF_CLOSE, key_fields(slot=True)), "SessionKey.slot"),
        (raw(TAG_OF_CLOSE, key_fields(slot=-1)), "in range"),
        (raw(TAG_OF_CLOSE, key_fields(id="x" * 60_000)), "32 hexadecimal digits"),
        (raw(TAG_OF_CLOSE, {"key": None}), "fields of SessionKey"),
        (raw(TAG_OF_PLAYED, {**key_fields(), "played_ms": -1}), "played_ms must be at least 0"),
        (raw(TAG_OF_OPEN, {"request": 1, "options": {"seed": 1}}), "fields of SessionOptions"),
        (raw(TAG_OF_STATUS, {"request": 1, "status": status_fields(voices=["a", 1])}), "voices is"),
        (raw(TAG_OF_STATUS, {"request": 1, "status": status_fields(voices="a")}), "voices is"),
        (encode(UserFrame(KEY, 1, PCM))[:-1], "7680 bytes of sound, not 7679"),
        (raw(TAG_OF_USER_FRAME, []), "fields of UserFrame"),
    ],
)
def test_decode_of_malformed_bytes_names_what_is_wrong(data, reason):
    with pytest.raises(MalformedMessage, match=reason):
        decode(data)


def test_options_out_of_range_are_malformed():
    data = encode(OpenSession(1, SessionOptions())).replace(b'"seed":0', b'"seed":-')
    data = data.replace(b'"seed":-', b'"seed":-1')
    text = data[4:]
    with pytest.raises(MalformedMessage, match="seed must be"):
        decode(struct.pack("<BBH", VERSION, TAG_OF_OPEN, len(text)) + text)


@given(st.binary(max_size=60), st.integers(0, 10))
def test_decode_of_any_bytes_raises_nothing_else(data, tag):
    for candidate in (data, raw(tag, data)):
        try:
            decode(candidate)
        except MalformedMessage:
            pass


@pytest.mark.slow
@pytest.mark.parametrize("name", ["messages", "ports", "supervisor", "worker", "local", "echo"])
def test_what_gateways_import_loads_no_torch(name):
    code = f"import sys, voiceagent.serving.{name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
