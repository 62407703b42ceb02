import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceagent.gateway import offer
from voiceagent.gateway.offer import Candidate, OfferRefused, check_sdp, read_candidates, read_offer

AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"
GOOD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" + AUDIO
CANDIDATE = {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdp_mid": "0"}


def refusal(call, *arguments):
    with pytest.raises(OfferRefused) as refused:
        call(*arguments)
    return refused.value


def test_a_good_offer_is_read():
    body = {"sdp": GOOD, "type": "offer", "pc_id": "x"}
    assert read_offer(body) == offer.Offer(GOOD, "x")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        *(([], "JSON object"), (None, "JSON object"), ({}, "sdp is missing")),
        *(
            ({"sdp": 7}, "sdp is missing"),
            ({"sdp": GOOD}, "type"),
            ({"sdp": GOOD, "type": 1}, "type"),
        ),
        *(
            ({"sdp": GOOD, "type": "offer", "pc_id": value}, "pc_id")
            for value in ("", 7, "x" * 200)
        ),
    ],
)
def test_a_body_without_an_offer_is_refused_with_400(body, says):
    refused = refusal(read_offer, body)
    assert (refused.status, says in refused.detail) == (400, True)


@pytest.mark.parametrize("policy", ["off", "shadow", "on", ""])
def test_a_policy_of_the_offer_is_read(policy):
    assert read_offer({"sdp": GOOD, "type": "offer", "policy": policy}).policy == policy


@pytest.mark.parametrize(
    ("policy", "says"),
    [("loud", "policy must be one of off, shadow, on, not 'loud'"), (1, "policy must be text")],
)
def test_a_policy_that_there_is_not_is_refused_with_those_there_are(policy, says):
    refused = refusal(read_offer, {"sdp": GOOD, "type": "offer", "policy": policy})
    assert (refused.status, refused.detail) == (400, says)


def test_role_and_voice_are_read_and_trimmed():
    body = {"sdp": GOOD, "type": "offer", "role": " sell bread\n", "voice": "NATF0.pt"}
    assert read_offer(body) == offer.Offer(GOOD, None, "sell bread", "NATF0")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"role": 7}, "role must be text"),
        ({"role": "x" * 4001}, "role must be at most 4000 characters"),
        ({"role": "\ud800"}, "surrogate"),
        ({"voice": ["a"]}, "voice must be text"),
        *(
            ({"voice": name}, "voice must be 1 to 64 letters")
            for name in ("../x", "a/b.pt", "a.pt.pt", ".pt", "x" * 65, "a\n", "\x00", "C:a")
        ),
    ],
)
def test_role_or_voice_that_can_be_none_is_refused_with_400(fields, says):
    refused = refusal(read_offer, {"sdp": GOOD, "type": "offer", **fields})
    assert (refused.status, says in refused.detail) == (400, True)


@pytest.mark.parametrize(
    ("sdp", "status", "says"),
    [
        ("", 400, "can be read"),
        ("rubbish", 400, "can be read"),
        ("v=0\r\n" + "a=x\r\n" * 1001, 400, "can be read"),
        ("v=0\r\n" + "x" * offer.MAX_SDP_BYTES, 413, "64 KiB"),
        ("v=0\r\ns=-\r\n", 400, "it has 0"),
        (GOOD + AUDIO, 400, "it has 2"),
        (GOOD + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 4, 400, "media lines"),
        (GOOD + "a=candidate:1\r\n" * 51, 400, "ICE candidates"),
        (GOOD.replace("opus", "pcmu"), 400, "no Opus"),
    ],
    ids=range(9),
)
def test_an_sdp_that_cannot_become_a_conversation_is_refused(sdp, status, says):
    refused = refusal(check_sdp, sdp)
    assert (refused.status, says in refused.detail) == (status, True)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_no_text_breaks_the_check(text):
    with contextlib.suppress(OfferRefused):
        check_sdp("v=0\r\n" + text)


def test_candidates_are_read():
    pc_id, candidates = read_candidates(
        {"pc_id": "x", "candidates": [{**CANDIDATE, "sdp_mline_index": 0}]}
    )
    assert (pc_id, candidates) == ("x", [Candidate(CANDIDATE["candidate"], "0", 0)])


@pytest.mark.parametrize(
    "body",
    [
        *(7, {}, {"pc_id": "x"}, {"pc_id": "x", "candidates": 1}),
        {"pc_id": "x", "candidates": [{}] * 51},
        *({"pc_id": "x", "candidates": [item]} for item in (7, {}, CANDIDATE)),
        {"pc_id": "x", "candidates": [{"candidate": "x" * 600}]},
    ],
)
def test_candidates_that_cannot_be_read_are_refused_with_400(body):
    assert refusal(read_candidates, body).status == 400
