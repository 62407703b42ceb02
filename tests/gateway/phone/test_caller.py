import pytest
from livekit import rtc

from voiceagent.gateway.phone.caller import Caller, choose

STANDARD = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
SIP = rtc.ParticipantKind.PARTICIPANT_KIND_SIP
AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
EGRESS = rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS


def one(identity, kind=STANDARD, joined_ms=0, **attributes):
    named = {name.replace("_", "."): value for name, value in attributes.items()}
    return Caller(identity, kind, named, joined_ms)


@pytest.mark.parametrize(
    ("participants", "chosen"),
    [
        ([], None),
        ([one("bot", AGENT), one("recorder", EGRESS)], None),
        ([one("late", joined_ms=2), one("early", joined_ms=1)], "early"),
        ([one("page", joined_ms=1), one("phone", SIP, joined_ms=2)], "phone"),
        ([one("gone", SIP, sip_callStatus="hangup"), one("page")], "page"),
    ],
)
def test_the_caller_is_a_telephone_before_others_and_never_an_agent(participants, chosen):
    found = choose(participants)
    assert (found and found.identity) == chosen


def test_a_caller_is_known_by_its_call_else_by_its_identity():
    assert one("a", SIP, sip_callID="c1").key == "c1"
    assert one("a").key == "a"


@pytest.mark.parametrize(
    ("status", "is_active"), [("ringing", 0), ("dialing", 0), ("active", 1), ("hangup", 0)]
)
def test_a_telephone_can_be_spoken_to_once_it_is_answered(status, is_active):
    assert one("a", SIP, sip_callStatus=status).is_active == is_active


def test_somebody_without_a_telephone_can_be_spoken_to_at_once():
    assert one("a").is_active


def test_the_record_is_told_kind_room_and_what_the_telephone_says():
    caller = one("sip_+1\n", SIP, sip_phoneNumber="+1", other="x")
    assert caller.claims("r") == {
        "room": "r",
        "identity": "sip_+1",
        "kind": "sip",
        "sip.phoneNumber": "+1",
    }
