import pytest
from livekit import rtc

from voiceagent.gateway.phone import endings

REASON = rtc.DisconnectReason


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (REASON.ROOM_DELETED, "the room was deleted"),
        (REASON.ROOM_CLOSED, "the room was closed"),
        (REASON.PARTICIPANT_REMOVED, "the agent was removed from the room"),
        (REASON.SIGNAL_CLOSE, None),
        (REASON.SERVER_SHUTDOWN, None),
    ],
)
def test_a_room_is_gone_for_good_or_may_come_back(reason, words):
    assert endings.of_room(reason) == words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (REASON.CLIENT_INITIATED, "the caller hung up"),
        (REASON.UNKNOWN_REASON, "the caller hung up"),
        (REASON.USER_REJECTED, "the call was declined"),
        (REASON.DUPLICATE_IDENTITY, "another call of the same number took its place"),
    ],
)
def test_a_caller_goes_for_a_reason(reason, words):
    assert endings.of_caller(reason) == words
