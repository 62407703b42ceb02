"""Refusals of a real LiveKit server, in one line each and without secrets."""

import dataclasses
import re

import pytest
from livekit import api

from voiceagent.errors import LiveKitRefused
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.refusal import explain, server_api
from voiceagent.testing.livekit_stack import API_SECRET


def of(livekit, **changes):
    config = LiveKitConfig(url=livekit.url, api_key=livekit.api_key, api_secret=livekit.api_secret)
    return dataclasses.replace(config, **changes)


async def list_trunks(config):
    async with server_api(config) as lkapi:
        await lkapi.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"api_secret": "wrong-wrong-wrong-wrong-wrong-wrong"}, "does not know this key"),
        ({"api_key": "nobody"}, "does not know this key"),
        ({"url": "ws://127.0.0.1:1"}, "nothing answers there"),
    ],
)
async def test_a_wrong_setting_is_explained_and_no_secret_shown(livekit, changes, why):
    config = of(livekit, **changes)
    with pytest.raises(LiveKitRefused, match=why) as refused:
        await list_trunks(config)
    assert refused.value.url == config.url
    assert API_SECRET not in str(refused.value)
    assert "wrong" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.asyncio
async def test_what_is_no_livekit_is_called_so(livekit):
    redis = livekit._redis._port
    with pytest.raises(LiveKitRefused, match=r"no LiveKit server|nothing answers"):
        await list_trunks(of(livekit, url=f"ws://127.0.0.1:{redis}"))


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("unavailable", "twirp error unknown: no response from servers", "no SIP service answers"),
        ("internal", "sip not connected (redis required)", "give it `redis`"),
        ("invalid_argument", "Conflicting inbound SIP Trunks", "Conflicting inbound SIP Trunks"),
        ("internal", "", r"internal \(status 500\)"),
        ("internal", "got eyJhbGciOiJIUzI1NiJ9.e30.abc", r"got \[token\]"),
    ],
)
def test_refusals_say_what_to_do(code, message, words):
    assert re.search(words, explain(api.ServerError(code, message, status=500)))
