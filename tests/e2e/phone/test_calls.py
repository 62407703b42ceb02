"""Telephone calls to a real worker through a real LiveKit server, by simulated telephones."""

import asyncio
import contextlib
import json
from itertools import pairwise

import pytest
import pytest_asyncio
from livekit import api

from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.order import order_keys
from voiceagent.gateway.phone.outbound import Answer, place_call
from voiceagent.gateway.phone.telephony import TelephonyConfig
from voiceagent.gateway.phone.trunks import set_up
from voiceagent.testing.sip_caller import Dialled, SipCaller

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SLOTS = 4
#: From one caller's question to the next one's: shorter than question and answer.
STAGGER_S = 2.0
OF_FOUR = (
    "what is three plus four",
    "can you hear me",
    "can you hear me",
    "what is three plus four",
)
#: Of `voiceagent livekit` as it is started here.
UNHEARD_S = 4
#: livekit-sip takes so long for a key out.
SIP_KEY_S = 0.541
#: A slot is free again this soon after its caller has hung up.
FREED_WITHIN_S = 2.0
#: Of some 320 callers whose client went without hanging up one was in its room for 8 s more at
#: least: the server ends a room by itself, 5 s after everybody has left, looking now and then.
FREED_BY_SERVER_WITHIN_S = 25.0
BUSY, TOLD = "phone_calls_active", "phone_calls_at_capacity_total"
QUESTIONS = {
    "PCMU": ("flite:kal", ("what is three plus four", "can you hear me")),
    "PCMA": ("flite:kal", ("can you hear me",)),
    "G722": ("flite:kal", ("what is three plus four", "can you hear me")),
}


async def freed(phone, within_s=FREED_WITHIN_S):
    return await phone.worker.until(BUSY, lambda n: n == 0, within_s)


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _nobody_is_left_of_the_test_before(phone):
    await freed(phone, FREED_BY_SERVER_WITHIN_S)


@pytest.mark.parametrize("band", QUESTIONS)
async def test_questions_of_an_unseen_voice_are_answered_over_each_codec(
    phone, ask, are_right, tell, band
):
    voice, questions = QUESTIONS[band]
    async with SipCaller.dial(phone.livekit, Dialled(band=band)) as caller:
        rang_s = await caller.answered()
        asked = [await ask(caller, text, voice) for text in questions]
    await freed(phone)
    assert are_right(*asked)
    latencies = ", ".join(f"{one.latency_s:.2f}" for one in asked)
    tell(f"{band}: answered after {rang_s:.2f} s; from question to answer {latencies} s")


async def test_the_caller_hanging_up_frees_the_slot(phone, tell):
    async with SipCaller.dial(phone.livekit) as caller:
        await caller.answered()
        await phone.worker.until(BUSY, lambda n: n == 1, 5)
        await caller.hang_up()
        tell(f"freed {await freed(phone):.2f} s after the hang-up")


async def test_a_caller_who_vanishes_frees_the_slot(phone, tell):
    """Two of three at once: the third one's farewell may get lost, see above."""
    took_s = []
    for _ in range(3):
        async with SipCaller.dial(phone.livekit) as caller:
            await caller.answered()
            await caller._room.disconnect()
            took_s.append(await freed(phone, FREED_BY_SERVER_WITHIN_S))
    tell(f"vanished: freed after {', '.join(f'{each:.2f}' for each in took_s)} s")
    assert sorted(took_s)[1] <= FREED_WITHIN_S


async def test_keys_go_both_ways(phone, tell):
    async with SipCaller.dial(phone.livekit) as caller:
        await caller.answered()
        before = (await phone.worker.metrics())["phone_keys_in_total"]
        await caller.press("12#A", every_s=0.1)
        await phone.worker.until("phone_keys_in_total", lambda n: n == before + 4, 3)
        livekit, header = phone.livekit, phone.worker.sessions()[-1].header
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lkapi:
            assert await order_keys(lkapi, LiveKitConfig(), header, "90*") is None
    await freed(phone)
    assert [key for key, _ in caller.keys] == [*"90*"]
    times = [at_s for _, at_s in caller.keys]
    apart_s = [later - earlier for earlier, later in pairwise(times)]
    tell(f"keys out {min(apart_s):.2f} to {max(apart_s):.2f} s apart")
    assert min(apart_s) > SIP_KEY_S
    events = [
        event for frame in (await phone.worker.last_session()).trace for event in frame.events
    ]
    assert [event for event in events if event.startswith("dtmf ")][:4] == [
        f"dtmf {key}" for key in "12#A"
    ]


async def test_the_record_says_who_called_as_a_claim(phone):
    headers = {"sip.h.x-evil": "a\r\nb\x00" + "c" * 9000}
    dialled = Dialled(number="+15557770000", attributes=headers)
    async with SipCaller.dial(phone.livekit, dialled) as caller:
        await caller.answered()
        await asyncio.sleep(0.5)
    await freed(phone)
    header = (await phone.worker.last_session()).header
    assert header.caller["sip.phoneNumber"] == "+15557770000"
    assert header.caller["sip.callID"] == caller.call_id
    assert len(header.caller["sip.h.x-evil"]) <= 256
    assert header.caller["sip.h.x-evil"].isprintable()


async def test_two_calls_of_one_number_are_two_conversations(phone, ask, are_right):
    dialled = [Dialled(number="+15551112222") for _ in range(2)]
    async with (
        SipCaller.dial(phone.livekit, dialled[0]) as one,
        SipCaller.dial(phone.livekit, dialled[1]) as other,
    ):
        await asyncio.gather(one.answered(), other.answered())
        await phone.worker.until(BUSY, lambda n: n == 2, 5)
        asked = await asyncio.gather(
            ask(one, "what is three plus four"), ask(other, "can you hear me")
        )
    await freed(phone)
    assert are_right(*asked)


async def all_ask(callers, ask, is_right):
    """Whether each caller was answered rightly; they begin one after another.

    Judged behind them all: Whisper takes a core, of which servers, engine and telephones have two.
    """

    async def wonder(number, caller):
        await asyncio.sleep(number * STAGGER_S)
        with contextlib.suppress(TimeoutError):
            return await ask(caller, OF_FOUR[number])

    asked = await asyncio.gather(*(wonder(*pair) for pair in callers.items()))
    return [one is not None and await asyncio.to_thread(is_right, one) for one in asked]


async def test_four_callers_at_once_are_answered_and_a_fifth_is_told(phone, ask, is_right, tell):
    """Who was not understood, or does not understand, asks once more, as people do."""
    before = (await phone.worker.metrics())[TOLD]
    async with contextlib.AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(SipCaller.dial(phone.livekit)) for _ in range(SLOTS)
        ]
        rang_s = await asyncio.gather(*(caller.answered() for caller in callers))
        await phone.worker.until(BUSY, lambda n: n == SLOTS, 5)
        right = await all_ask(dict(enumerate(callers)), ask, is_right)
        wrong = {number: callers[number] for number in range(SLOTS) if not right[number]}
        again = await all_ask(wrong, ask, is_right)
        async with SipCaller.dial(phone.livekit) as fifth:
            await fifth.answered(10)
            await fifth.ended(15)
        assert (await phone.worker.metrics())[TOLD] == before + 1
        assert (await phone.worker.metrics())[BUSY] == SLOTS
    await freed(phone)
    tell(f"four at once: {sum(right)} of 4 right at once; rang {max(rang_s):.2f} s at most")
    assert all(again), again
    assert fifth.heard().first_loud_s() is not None


async def test_a_caller_of_whom_nothing_comes_is_told_and_hung_up(phone, recogniser, tell):
    async with SipCaller.dial(phone.livekit, Dialled(noise_dbfs=None)) as caller:
        await caller.answered()
        await caller.ended(2 * UNHEARD_S + 10)
        tell(f"a dead line was given up after {caller.ended_s - caller.started_s:.1f} s")
        assert "cannot hear you" in recogniser.transcribe(caller.heard().at_24_khz()).lower()
    assert (
        "nothing was heard from the caller"
        in (await phone.worker.last_session()).summary.end_reason
    )
    await freed(phone)


async def test_a_deleted_room_ends_the_call_and_the_record_says_so(phone, tell):
    async with SipCaller.dial(phone.livekit) as caller:
        await caller.answered()
        await phone.worker.until(BUSY, lambda n: n == 1, 5)
        livekit = phone.livekit
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lkapi:
            await lkapi.room.delete_room(api.DeleteRoomRequest(room=caller.dialled.room))
        await caller.ended(2)
        await freed(phone)
    reason = (await phone.worker.last_session()).summary.end_reason
    tell(f"ended: {reason}")
    assert "room" in reason


async def test_metadata_that_is_no_json_is_named_and_not_fatal(phone):
    async with SipCaller.dial(phone.livekit, Dialled(metadata="{nonsense")) as caller:
        await caller.answered()
    assert "metadata is not used: it is no JSON" in phone.worker.log
    await freed(phone)


async def test_metadata_chooses_how_turns_are_taken(phone):
    dialled = Dialled(metadata=json.dumps({"policy": "shadow"}))
    async with SipCaller.dial(phone.livekit, dialled) as caller:
        await caller.answered()
        await asyncio.sleep(1.0)
    await freed(phone)
    trace = (await phone.worker.last_session()).trace
    assert {frame.turn.policy for frame in trace if frame.turn} == {"shadow"}


async def test_calling_out_without_a_sip_service_says_so_and_lets_the_agent_go(phone):
    livekit, config = phone.livekit, LiveKitConfig(url=phone.livekit.url)
    lines = TelephonyConfig(
        outbound=True,
        outbound_prefixes=("+1",),
        outbound_address="127.0.0.1:9",
        outbound_number="+15105550100",
    )
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lkapi:
        await set_up(lkapi, config, lines)
        outcome = await place_call(lkapi, config, lines, "+15105550199")
        assert outcome.answer is Answer.FAILED
        assert "no SIP service answers: livekit-sip is not running" in outcome.text
        rooms = (await lkapi.room.list_rooms(api.ListRoomsRequest())).rooms
        assert outcome.room not in [room.name for room in rooms]


async def test_no_token_and_no_secret_is_in_the_log(phone):
    assert "eyJ" not in phone.worker.log
    assert phone.livekit.api_secret not in phone.worker.log
