"""Orders to an agent through a real server, with an agent of a few lines."""

import asyncio
import contextlib
import json

import pytest
from livekit import api, rtc

from voiceagent.errors import LiveKitRefused, RecordError
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.order import (
    PRESS,
    TRANSFER,
    answer_name,
    order_keys,
    order_transfer,
    read_keys,
    read_target,
)
from voiceagent.records.schema import SessionHeader

CONFIG = LiveKitConfig(url="ws://test")


def header(**caller):
    return SessionHeader(
        id="3f" * 16, model="nano", transport="sip", started_at="", caller=caller or None
    )


@contextlib.asynccontextmanager
async def agent(livekit, says):
    """An agent in room "r" that answers orders with these words in turn, the first after all."""
    room, orders, tasks, both = rtc.Room(), [], [], asyncio.Event()

    async def answer(packet, said):
        if len(orders) == 1:
            await both.wait()
        await room.local_participant.set_attributes({answer_name(packet.topic, packet.data): said})
        both.set()

    def take(packet):
        orders.append((packet.topic, json.loads(packet.data), packet.participant))
        tasks.append(asyncio.create_task(answer(packet, says[len(orders) - 1])))
        if len(says) == 1:
            both.set()

    room.on("data_received", take)
    grants = api.VideoGrants(room_join=True, room="r", can_update_own_metadata=True)
    token = api.AccessToken(livekit.api_key, livekit.api_secret).with_identity("agent")
    await room.connect(livekit.url, token.with_kind("agent").with_grants(grants).to_jwt())
    source = rtc.AudioSource(24_000, 1)
    track = rtc.LocalAudioTrack.create_audio_track("agent", source)
    await room.local_participant.publish_track(track)
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lkapi:
        yield lkapi, orders
    await room.disconnect()


@pytest.mark.slow
@pytest.mark.asyncio
async def test_an_order_reaches_the_agent_from_nobody_in_the_room(livekit):
    async with agent(livekit, ["done"]) as (lkapi, orders):
        call = header(room="r", kind="sip")
        assert await order_transfer(lkapi, CONFIG, call, "+15105550100") is None
    ((topic, order, sender),) = orders
    assert (topic, order["to"], sender) == (TRANSFER, "tel:+15105550100", None)


@pytest.mark.slow
@pytest.mark.asyncio
async def test_each_of_two_orders_at_once_has_its_own_answer_and_leaves_nothing(livekit):
    says = ["refused: 603 Declined", "refused: 486 Busy Here"]
    async with agent(livekit, says) as (lkapi, _):
        call = header(room="r", kind="sip")
        first = asyncio.create_task(order_transfer(lkapi, CONFIG, call, "+15105550100"))
        await asyncio.sleep(0.3)
        assert await order_transfer(lkapi, CONFIG, call, "+15105550100") == "486 Busy Here"
        assert await first == "603 Declined"
        found = await lkapi.room.list_participants(api.ListParticipantsRequest(room="r"))
        assert not found.participants[0].attributes


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_call_that_is_over_is_named(livekit):
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lkapi:
        with pytest.raises(LiveKitRefused, match="no agent in room r: the call is over"):
            await order_transfer(lkapi, CONFIG, header(room="r", kind="sip"), "+15105550100")


@pytest.mark.asyncio
@pytest.mark.parametrize("caller", [{}, {"room": "r", "kind": "standard"}])
async def test_only_telephone_calls_can_be_transferred(caller):
    with pytest.raises(RecordError, match="no telephone call"):
        await order_transfer(None, CONFIG, header(**caller), "+15105550100")


@pytest.mark.asyncio
async def test_a_target_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="a transfer goes to"):
        await order_transfer(None, CONFIG, header(room="r", kind="sip"), "mum")


@pytest.mark.slow
@pytest.mark.asyncio
async def test_keys_go_the_same_way(livekit):
    async with agent(livekit, ["done"]) as (lkapi, orders):
        assert await order_keys(lkapi, CONFIG, header(room="r", kind="sip"), "12#") is None
    ((topic, order, sender),) = orders
    assert (topic, order["keys"], sender) == (PRESS, "12#", None)


@pytest.mark.asyncio
async def test_keys_that_cannot_be_sent_are_refused_here():
    with pytest.raises(ValueError, match="livekit-sip drops A to D"):
        await order_keys(None, CONFIG, header(room="r", kind="sip"), "1A")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"[" * 9999, b'{"keys": 1}', b'{"keys": "A"}', b'{"keys": "", "to": 5}'],
)
def test_orders_that_mean_nothing_are_none(data):
    assert read_keys(data) is None
    assert read_target(data) is None


def test_orders_are_read_as_they_were_sent():
    assert read_keys(b'{"keys": "12#"}') == "12#"
    assert read_target(b'{"to": "sip:desk@example.com"}') == "sip:desk@example.com"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'{"to": "100", "id": "4f"}', "voiceagent.transfer.4f"),
        (b'{"to": "100"}', "voiceagent.transfer"),
        (b'{"id": 4}', "voiceagent.transfer"),
        (b'{"id": "../4f"}', "voiceagent.transfer"),
        (b'{"id": "' + b"4" * 33 + b'"}', "voiceagent.transfer"),
        (b"{", "voiceagent.transfer"),
    ],
)
def test_an_answer_is_named_after_its_order(data, name):
    assert answer_name(TRANSFER, data) == name
