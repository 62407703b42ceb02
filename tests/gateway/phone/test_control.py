import asyncio

import pytest
from livekit.protocol import sip

from voiceagent.gateway.phone import control
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.control import RoomControl
from voiceagent.testing.sip_caller import Dialled, SipCaller

ALONE = Dialled(room="r", agent_name=None)


def controlled(url, key, secret):
    return RoomControl(LiveKitConfig(url=url, api_key=key, api_secret=secret))


@pytest.mark.asyncio
async def test_a_server_that_is_down_ends_nothing_and_says_so(caplog, monkeypatch):
    monkeypatch.setattr(control, "HANG_UP_WITHIN_S", 0.1)
    rooms = controlled("ws://127.0.0.1:9", "k", "s" * 32)
    assert not await rooms.hang_up("r", "caller")
    assert "could not be hung up" in caplog.text
    assert "did not answer" in await rooms.transfer("r", "caller", "+15550123")
    await rooms.close()


@pytest.mark.asyncio
async def test_a_target_that_is_none_is_refused_without_asking():
    rooms = controlled("ws://127.0.0.1:9", "k", "s" * 32)
    assert "a transfer goes to" in await rooms.transfer("r", "caller", "nowhere")
    await rooms.close()


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ({}, None),
        ({"status": sip.STS_TRANSFER_SUCCESSFUL}, None),
        (
            {"status": sip.STS_TRANSFER_FAILED, "sip_status": {"code": 603, "status": "Declined"}},
            "603 Declined",
        ),
        ({"status": sip.STS_TRANSFER_FAILED, "reason": sip.STR_REJECTED}, "STR_REJECTED"),
    ],
)
def test_a_transfer_that_failed_without_an_error_is_known(answer, refusal):
    assert control._refusal(sip.TransferSIPParticipantResponse(**answer)) == refusal


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_caller_is_hung_up_once_and_the_second_time_it_is_gone_already(livekit):
    rooms = controlled(livekit.url, livekit.api_key, livekit.api_secret)
    async with SipCaller.dial(livekit, ALONE) as caller:
        assert await rooms.hang_up("r", ALONE.identity)
        assert await caller.ended(2) == "PARTICIPANT_REMOVED"
        async with asyncio.timeout(1):
            assert await rooms.hang_up("r", ALONE.identity)
    await rooms.close()
