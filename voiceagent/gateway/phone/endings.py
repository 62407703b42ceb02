"""Why a room or a caller is gone, in words for the log and the record."""

from __future__ import annotations

from livekit import rtc

#: After a restart of the server two workers may have come to one caller.
ELDER = "another agent goes on with its caller"
UNANSWERED = "the caller hung up before it was answered"
#: The room is gone for good; other reasons are faults that may pass.
_CLOSED = {
    rtc.DisconnectReason.ROOM_DELETED: "the room was deleted",
    rtc.DisconnectReason.ROOM_CLOSED: "the room was closed",
    rtc.DisconnectReason.PARTICIPANT_REMOVED: "the agent was removed from the room",
}
#: The caller did not go by itself.
_DEPARTED = {
    rtc.DisconnectReason.ROOM_DELETED: "the room was deleted",
    rtc.DisconnectReason.PARTICIPANT_REMOVED: "the caller was removed from the room",
    rtc.DisconnectReason.DUPLICATE_IDENTITY: "another call of the same number took its place",
    rtc.DisconnectReason.USER_UNAVAILABLE: "the call was not answered",
    rtc.DisconnectReason.USER_REJECTED: "the call was declined",
    rtc.DisconnectReason.SIP_TRUNK_FAILURE: "the SIP trunk failed",
    rtc.DisconnectReason.CONNECTION_TIMEOUT: "the caller's connection was lost",
    rtc.DisconnectReason.MEDIA_FAILURE: "the caller's sound was lost",
}


def of_room(reason: rtc.DisconnectReason.ValueType) -> str | None:
    """Why a room is gone for good; None for a fault that may pass."""
    return _CLOSED.get(reason)


def of_caller(reason: rtc.DisconnectReason.ValueType) -> str:
    """Why a caller is gone; most hang up."""
    return _DEPARTED.get(reason, "the caller hung up")
