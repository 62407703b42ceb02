import asyncio

import pytest

from voiceagent.gateway.phone.state import ATTRIBUTE
from voiceagent.gateway.phone.texts import MAX_WAITING, Texts
from voiceagent.gateway.phone.transcript import FINAL, SEGMENT, TOPIC, Piece
from voiceagent.testing.sip_caller import Dialled, SipCaller

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]
ALONE = Dialled(room="r", agent_name=None)


def grown(side, segment, *words):
    text, pieces = "", []
    for word in words:
        text += word
        pieces.append(Piece(side, segment, text, word, is_first=not pieces))
    return [*pieces, Piece(side, segment, text, "", is_final=True)]


async def test_the_agents_words_are_one_stream_and_the_users_one_for_each_change(livekit, join):
    async with SipCaller.dial(livekit, ALONE) as caller, join() as leg:
        await leg.wait_caller(3)
        texts = Texts(leg)
        texts.tell([*grown("agent", "c-1", "I", " can"), *grown("user", "c-2", "yes", " please")])
        await texts.flush()
        await caller.until(lambda: len(caller.texts) == 4, 3)
    assert {topic for topic, _, _ in caller.texts} == {TOPIC}
    told = [(kept[SEGMENT], kept[FINAL], text) for _, kept, text in caller.texts]
    assert ("c-1", "true", "I can") in told
    users = [item for item in told if item[0] == "c-2"]
    assert sorted(users) == [
        ("c-2", "false", "yes"),
        ("c-2", "false", "yes please"),
        ("c-2", "true", "yes please"),
    ]


async def test_what_the_agent_does_is_an_attribute(livekit, join):
    async with SipCaller.dial(livekit, ALONE) as caller, join() as leg:
        await leg.wait_caller(3)
        texts = Texts(leg)
        texts.set(ATTRIBUTE, "thinking")
        texts.set("voiceagent.transfer", "done")
        await texts.flush()
        await caller.until(lambda: len(caller.agent) >= 2, 3)
    assert caller.agent[ATTRIBUTE] == "thinking"
    assert caller.agent["voiceagent.transfer"] == "done"


async def test_news_that_cannot_be_told_in_time_are_left_out_oldest_first(join):
    async with join() as leg:
        texts = Texts(leg)
        for number in range(MAX_WAITING + 3):
            texts.set("n", str(number))
        assert texts.dropped == 3
        await texts.flush()
        attributes = leg.room.local_participant.attributes
        # the server tells its own view of them a little later
        async with asyncio.timeout(3):
            while attributes.get("n") != str(MAX_WAITING + 2):
                await asyncio.sleep(0.02)
                attributes = leg.room.local_participant.attributes


async def test_a_room_that_is_gone_is_told_nothing(join):
    async with join() as leg:
        texts = Texts(leg)
    texts.set("n", "1")
    await texts.flush()
    assert texts.dropped == 1
