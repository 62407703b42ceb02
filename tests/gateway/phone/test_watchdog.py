import asyncio
import json

import pytest
from livekit import api

from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.watchdog import Watchdog, hang_up, held_at_the_end
from voiceagent.testing.sip_caller import Dialled, SipCaller


def line(*news):
    return json.dumps(news) + "\n"


def test_only_calls_that_went_on_are_left():
    lines = [line("r", "a", "t1"), line("s", "b", "t2"), line("r", "a", "")]
    assert held_at_the_end(lines) == [("s", "b", "t2")]


def test_a_caller_who_calls_again_is_held_again():
    lines = [line("r", "a", "t1"), line("r", "a", ""), line("r", "a", "t2")]
    assert held_at_the_end(lines) == [("r", "a", "t2")]


def test_a_line_that_the_worker_did_not_finish_means_nothing():
    assert held_at_the_end([line("r", "a", "t1"), '["s", "b"']) == [("r", "a", "t1")]


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_caller_is_removed_with_the_token_of_its_room_and_no_other(livekit, monkeypatch):
    monkeypatch.setattr("voiceagent.gateway.phone.watchdog.RETRY_S", 0)

    def token(room):
        grants = api.VideoGrants(room_admin=True, room=room)
        return api.AccessToken(livekit.api_key, livekit.api_secret).with_grants(grants).to_jwt()

    url = LiveKitConfig(url=livekit.url).http_url
    async with SipCaller.dial(livekit, Dialled(room="r", agent_name=None)) as caller:
        who = "r", caller.dialled.identity
        assert not await asyncio.to_thread(hang_up, url, *who, token("another"))
        assert await asyncio.to_thread(hang_up, url, *who, token("r"))
        assert await caller.ended(1) == "PARTICIPANT_REMOVED"
        assert await asyncio.to_thread(hang_up, url, *who, token("r"))  # gone already


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_worker_that_stops_in_order_hangs_nobody_up_by_its_watchdog(livekit):
    config = LiveKitConfig(url=livekit.url, api_key=livekit.api_key, api_secret=livekit.api_secret)
    async with SipCaller.dial(livekit, Dialled(room="r", agent_name=None)) as caller:
        async with Watchdog.running(config) as watchdog:
            with watchdog.holding("r", caller.dialled.identity):
                pass
        assert caller.end_reason == ""
