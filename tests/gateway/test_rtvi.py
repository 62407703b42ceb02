import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.gateway import rtvi
from voiceagent.records.axes import EMPTY


class StoppedClock:
    us = 0

    def now_us(self):
        return self.us


@pytest.fixture
def messages():
    return rtvi.ClientMessages(StoppedClock())


def rtvi_text(kind, **fields):
    return json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", **fields})


def test_ping_says_that_the_client_is_there(messages):
    assert messages.receive("ping: 1234") == rtvi.Ping()


def test_client_ready_is_answered_with_its_id(messages):
    event = messages.receive(rtvi_text("client-ready", data={"version": "2.2.0"}))
    answer = rtvi.bot_ready(event.id)
    assert (answer["type"], answer["id"], answer["data"]["version"]) == ("bot-ready", "1", "2.2.0")


def test_playout_says_how_much_was_played(messages):
    message = rtvi_text("client-message", data={"t": "playout", "d": {"played_ms": 1200}})
    assert messages.receive(message) == rtvi.Playout(1200)


def test_disconnect_bot_hangs_up(messages):
    assert messages.receive(rtvi_text("disconnect-bot")) == rtvi.Goodbye()


@pytest.mark.parametrize(
    "rubbish",
    [
        *("", "{", "[]", "null", "7", '"x"', "[" * 9000, b"\x00\xff", "NaN", '{"type": "ping"}'),
        *(rtvi_text("send-text", data={"content": "x"}), rtvi_text("raw-audio"), rtvi_text("dtmf")),
        *(rtvi_text("client-message"), rtvi_text("client-message", data=[1])),
        rtvi_text("client-message", data={"t": "playout", "d": {"played_ms": -1}}),
        rtvi_text("client-message", data={"t": "playout", "d": {"played_ms": True}}),
        rtvi_text("client-message", data={"t": "playout", "d": {"played_ms": 1e3}}),
        rtvi_text("client-message", data={"t": "playout", "d": {"played_ms": 10**30}}),
        rtvi_text("client-message", data={"t": "other", "d": {"played_ms": 1}}),
        rtvi_text({"not": "hashable"}),
    ],
    ids=range(21),
)
def test_rubbish_is_ignored_and_counted(messages, rubbish):
    assert messages.receive(rubbish) is None
    assert messages.ignored == 1


def test_a_message_too_large_is_ignored(messages):
    assert messages.receive("ping" + "x" * rtvi.MAX_MESSAGE_BYTES) is None


def test_too_many_messages_in_a_second_are_ignored_until_the_next(messages):
    events = [messages.receive("ping") for _ in range(rtvi.MAX_MESSAGES_PER_S + 3)]
    assert events.count(None) == messages.ignored == 3
    messages._clock.us = 1_000_000
    assert messages.receive("ping") == rtvi.Ping()


@settings(deadline=None)
@given(st.text() | st.binary())
def test_no_message_raises(text):
    rtvi.ClientMessages(StoppedClock()).receive(text)


def test_our_messages_are_json_with_label_and_type():
    for data in (
        rtvi.word("user", " three", 80),
        rtvi.stats(20_000, 30_000, 60, 0),
        rtvi.axes(EMPTY.brief(), "user", "listen"),
        rtvi.ended("engine stopped"),
    ):
        message = json.loads(json.dumps(rtvi.server_message(data)))
        assert (message["label"], message["type"]) == ("rtvi-ai", "server-message")
        assert message["data"] == data
