"""Calls out: nobody is rung without an agent, and what the telephone network answers in words."""

import pytest
from livekit import api

from voiceagent.errors import ConfigError, LiveKitRefused
from voiceagent.gateway.phone import outbound
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.outbound import Answer, outcome_of, place_call
from voiceagent.gateway.phone.telephony import TelephonyConfig
from voiceagent.gateway.phone.trunks import set_up

NUMBER = "+15105550199"
LINES = TelephonyConfig(
    outbound=True,
    outbound_prefixes=("+1",),
    outbound_address="127.0.0.1:9",
    outbound_number="+15105550100",
)


def refused(sip_code, status=429, code="resource_exhausted", message="nope"):
    metadata = {"sip_status_code": str(sip_code)} if sip_code else {}
    kind = api.SipCallError if sip_code else api.ServerError
    return kind(code, message, status=status, metadata=metadata)


@pytest.mark.parametrize(
    ("sip_code", "answer", "words"),
    [
        (486, Answer.BUSY, "is busy (SIP 486)"),
        (603, Answer.DECLINED, "declined"),
        (403, Answer.DECLINED, "does not let us call"),
        (404, Answer.NO_SUCH_NUMBER, "does not know (SIP 404)"),
        (480, Answer.NO_ANSWER, "did not answer in 20 s"),
        (500, Answer.FAILED, "could not be called (SIP 500): nope"),
    ],
)
def test_what_the_network_answers_is_said_in_words(sip_code, answer, words):
    outcome = outcome_of(refused(sip_code), NUMBER, "room", 20)
    assert outcome.answer is answer
    assert outcome.text.startswith(NUMBER)
    assert words in outcome.text


def test_a_bridge_that_waited_in_vain_means_no_answer():
    error = refused(0, 408, "canceled", "sip request timed out")
    assert outcome_of(error, NUMBER, "room", 20).answer is Answer.NO_ANSWER


def test_a_missing_bridge_is_named():
    error = refused(0, 503, "unavailable", "twirp error unknown: no response from servers")
    outcome = outcome_of(error, NUMBER, "room", 20)
    assert outcome.answer is Answer.FAILED
    assert "no SIP service answers" in outcome.text


@pytest.mark.slow
@pytest.mark.asyncio
async def test_nobody_is_rung_without_an_agent_and_no_room_is_left(livekit, monkeypatch):
    monkeypatch.setattr(outbound, "AGENT_WITHIN_S", 0.3)
    config = LiveKitConfig(url=livekit.url, agent_name="voice")
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lkapi:
        await set_up(lkapi, config, LINES)
        with pytest.raises(LiveKitRefused, match="nobody was rung, since no worker took the call"):
            await place_call(lkapi, config, LINES, NUMBER)
        assert not (await lkapi.room.list_rooms(api.ListRoomsRequest())).rooms


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_server_that_was_not_set_up_is_named(livekit):
    config = LiveKitConfig(url=livekit.url, agent_name="voice")
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lkapi:
        with pytest.raises(ConfigError, match="run 'voiceagent livekit setup'"):
            await place_call(lkapi, config, LINES, NUMBER)
