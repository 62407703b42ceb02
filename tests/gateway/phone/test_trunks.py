"""Trunks and rules on a real LiveKit server: made once, changed when the settings are, removed."""

import dataclasses

import pytest
import pytest_asyncio
from livekit import api

from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.telephony import TelephonyConfig
from voiceagent.gateway.phone.trunks import inbound_trunk, outbound_trunk, remove, set_up

AGENT = LiveKitConfig(agent_name="voice", max_call_s=600.4)
LINES = TelephonyConfig(
    numbers=("+15105550100",),
    allowed_addresses=("192.0.2.0/24",),
    username="us",
    password="a-password",
    outbound=True,
    outbound_prefixes=("+1",),
    outbound_address="example.com",
    outbound_transport="tls",
    outbound_number="+15105550100",
    encryption="allow",
)


@pytest_asyncio.fixture
async def lkapi(livekit):
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as client:
        yield client


def done(changes):
    return [change.done for change in changes]


def test_a_trunk_rings_no_longer_than_said_and_leaves_the_sound_alone():
    trunk = inbound_trunk(AGENT, LINES)
    assert (trunk.ringing_timeout.seconds, trunk.max_call_duration.seconds) == (30, 600)
    assert not trunk.krisp_enabled
    assert [codec.name for codec in trunk.media.codecs] == ["G722"]
    assert not trunk.media.only_listed_codecs


def test_calls_go_out_by_the_transport_that_was_asked_for():
    trunk = outbound_trunk(AGENT, LINES)
    assert trunk.transport == api.SIPTransport.SIP_TRANSPORT_TLS
    assert trunk.media.encryption == api.SIPMediaEncryption.SIP_MEDIA_ENCRYPT_ALLOW


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_second_set_up_changes_nothing(lkapi):
    assert done(await set_up(lkapi, AGENT, LINES)) == ["created"] * 3
    assert done(await set_up(lkapi, AGENT, LINES)) == ["unchanged"] * 3
    rules = (await lkapi.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())).items
    assert [rule.room_config.agents[0].agent_name for rule in rules] == ["voice"]


@pytest.mark.slow
@pytest.mark.asyncio
async def test_what_the_settings_change_is_updated_and_keeps_its_id(lkapi):
    before = await set_up(lkapi, AGENT, LINES)
    later = dataclasses.replace(LINES, numbers=("+15105550111",), ringing_timeout_s=20)
    after = await set_up(lkapi, AGENT, later)
    assert done(after) == ["updated", "unchanged", "unchanged"]
    assert [change.id for change in after] == [change.id for change in before]
    (trunk,) = (await lkapi.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())).items
    assert (list(trunk.numbers), trunk.ringing_timeout.seconds) == (["+15105550111"], 20)
    assert done(await set_up(lkapi, AGENT, later)) == ["unchanged"] * 3


@pytest.mark.slow
@pytest.mark.asyncio
async def test_lines_of_another_agent_are_left_alone(lkapi):
    await set_up(lkapi, AGENT, LINES)
    other = dataclasses.replace(AGENT, agent_name="other")
    lines = dataclasses.replace(LINES, numbers=("+15105550122",))
    await set_up(lkapi, other, lines)
    assert len(await remove(lkapi, AGENT)) == 3
    assert await remove(lkapi, AGENT) == []
    assert done(await set_up(lkapi, other, lines)) == ["unchanged"] * 3


@pytest.mark.slow
@pytest.mark.asyncio
async def test_without_numbers_and_calling_out_nothing_is_made(lkapi):
    assert await set_up(lkapi, AGENT, TelephonyConfig()) == []
