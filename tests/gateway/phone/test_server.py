"""Calls of a simulated telephone through a real LiveKit server, and what goes wrong in them."""

import asyncio
import os
import signal
import time

import numpy as np
import pytest
from livekit import api

from voiceagent.errors import ConfigError
from voiceagent.testing.recogniser import Recogniser
from voiceagent.testing.sip_caller import Dialled, SipCaller
from voiceagent.testing.words import normalise

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]


@pytest.fixture(scope="module")
def recogniser():
    return Recogniser()


async def words_of(recogniser, heard):
    """In a thread: the calls share this loop."""
    text = await asyncio.to_thread(recogniser.transcribe, heard.at_24_khz())
    return " ".join(normalise(text))


def tone(hz, seconds):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(24_000 * seconds)) / 24_000)).astype(
        np.float32
    )


async def echo_hz(caller, hz):
    """The pitch that comes back of one that is sent."""
    begin_s = asyncio.get_running_loop().time()
    await caller.say(tone(hz, 1), 24_000)
    heard = caller.heard(from_s=begin_s)
    if not heard.pcm.size:
        return 0.0
    spectrum = np.abs(np.fft.rfft(heard.pcm))
    return float(np.argmax(spectrum)) * heard.rate_hz / heard.pcm.size


def events(record):
    return [event for frame in record.trace for event in frame.events]


async def test_a_caller_is_answered_hears_its_sound_and_frees_the_slot_when_it_hangs_up(
    livekit, make_worker
):
    hostile = {"sip.h.x-evil": "a\x00\x1b[2J" * 300}
    async with make_worker() as worker:
        async with SipCaller.dial(livekit, Dialled(attributes=hostile)) as caller:
            await caller.answered()
            assert await echo_hz(caller, 600) == pytest.approx(600, abs=5)
        begin_s = time.monotonic()
        async with SipCaller.dial(livekit, Dialled(number="+15550101")) as caller:
            await caller.answered(within_s=2)
            (first, *_) = await worker.sessions(1)
            assert caller.end_reason == ""  # it has the slot, and is not told that there is none
        assert time.monotonic() - begin_s < 4
    assert first.summary.end_reason == "the caller hung up"
    assert first.header.transport == "sip"
    assert first.header.caller["sip.phoneNumber"] == "+15550100"
    evil = first.header.caller["sip.h.x-evil"]
    assert len(evil) <= 256
    assert evil.isprintable()


async def test_a_caller_too_many_is_told_so_and_hung_up_while_the_other_goes_on(
    livekit, make_worker, recogniser
):
    async with make_worker() as worker, SipCaller.dial(livekit) as first:
        await first.answered()
        async with SipCaller.dial(livekit, Dialled(number="+15550101")) as second:
            await second.answered()
            assert await second.ended(within_s=10) == "PARTICIPANT_REMOVED"
            told = await words_of(recogniser, second.heard())
        assert first.end_reason == ""
        await first.hang_up()
        (record,) = await worker.sessions(1)
    assert "lines are busy" in told
    assert record.summary.end_reason == "the caller hung up"


async def test_when_the_engine_dies_the_caller_is_told_goodbye_and_hung_up_within_2_s(
    livekit, make_worker, recogniser
):
    async with make_worker() as worker, SipCaller.dial(livekit) as caller:
        await caller.answered()
        await asyncio.sleep(0.5)
        os.kill(worker.engine.pid, signal.SIGKILL)
        assert await caller.ended(within_s=2) == "PARTICIPANT_REMOVED"
        (record,) = await worker.sessions(1)
        assert "goodbye" in await words_of(recogniser, caller.heard())
    assert record.summary.end_reason.startswith("engine: the engine at ")


async def test_a_conversation_outlives_the_death_of_the_livekit_server(livekit, make_worker):
    async with make_worker() as worker:
        async with SipCaller.dial(livekit) as caller:
            await caller.answered()
            await asyncio.sleep(0.5)
            await livekit.restart_server(down_s=1)
            async with asyncio.timeout(15):
                while await echo_hz(caller, 800) != pytest.approx(800, abs=5):
                    pass
        (record,) = await worker.sessions(1)
    assert "the caller is back" in events(record)
    assert record.summary.end_reason == "the caller hung up"


async def test_a_caller_who_does_not_come_back_is_waited_for_and_given_up(livekit, make_worker):
    async with make_worker(hold_s=1.0) as worker:
        async with SipCaller.dial(livekit) as caller:
            await caller.answered()
            await asyncio.sleep(0.5)
            await livekit.kill_server()
            (record,) = await worker.sessions(1, seconds=8)
        await livekit.start_server()
    assert record.summary.end_reason.endswith("did not come back in 1 s")


async def test_a_room_that_is_deleted_ends_its_call(livekit, make_worker):
    async with make_worker() as worker, SipCaller.dial(livekit) as caller:
        await caller.answered()
        await asyncio.sleep(0.5)
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
            await server.room.delete_room(api.DeleteRoomRequest(room=caller.dialled.room))
        (record,) = await worker.sessions(1)
    assert record.summary.end_reason == "the room was deleted"


async def test_a_transfer_that_is_refused_is_spoken_of_and_the_call_goes_on(
    livekit, make_worker, recogniser
):
    settings = {"transfer_key": "0", "transfer_to": "tel:+15550123"}
    async with make_worker(**settings) as worker:
        async with SipCaller.dial(livekit) as caller:
            await caller.answered()
            await asyncio.sleep(0.3)
            begin_s = asyncio.get_running_loop().time()
            await caller.press("50")
            await caller.until(lambda: "voiceagent.transfer" in caller.agent, within_s=15)
            await asyncio.sleep(2.5)
            told = await words_of(recogniser, caller.heard(begin_s))
            assert caller.agent["voiceagent.transfer"].startswith("refused: ")
        (record,) = await worker.sessions(1)
    assert "transfer your call" in told
    noted = events(record)
    assert noted[:3] == ["dtmf 5", "dtmf 0", "transfer to tel:+15550123"]
    assert noted[3].startswith("transfer refused: ")


async def test_a_wrong_secret_is_said_clearly_and_nothing_of_it_is_told(
    livekit, make_worker, caplog
):
    with pytest.raises(ConfigError, match="refuses the key"):
        async with make_worker(api_secret="not-the-secret-of-that-server-at-all"):
            pass
    assert "not-the-secret" not in caplog.text
    assert "eyJ" not in caplog.text


async def test_a_conversation_cannot_be_taken_over_by_whoever_claims_its_call(livekit, make_worker):
    async with make_worker(slots=2) as worker, SipCaller.dial(livekit) as caller:
        await caller.answered()
        same = Dialled(number="+15550666", attributes={"sip.callID": caller.call_id})
        async with SipCaller.dial(livekit, same) as thief:
            await thief.answered(within_s=5)
            assert await echo_hz(caller, 600) == pytest.approx(600, abs=5)
            await thief.hang_up()
        (record,) = await worker.sessions(1)
        assert caller.end_reason == ""
    assert record.header.caller["sip.phoneNumber"] == "+15550666"
    assert "the caller is back" not in events(record)


async def test_a_second_call_of_one_number_into_one_room_is_a_conversation_of_its_own(
    livekit, make_worker, caplog
):
    caplog.set_level("INFO", "voiceagent")
    dialled = Dialled(number="+15551112222", room="direct")
    async with make_worker() as worker:
        async with SipCaller.dial(livekit, dialled) as first:
            await first.answered()
            assert await echo_hz(first, 600) == pytest.approx(600, abs=5)
            async with SipCaller.dial(livekit, dialled) as second:
                assert await first.ended(2) == "DUPLICATE_IDENTITY"
                await second.answered(5)
                assert await echo_hz(second, 900) == pytest.approx(900, abs=5)
        one, other = await worker.sessions(2)
    assert one.header.caller["sip.callID"] == first.call_id
    assert one.summary.end_reason == "another call of the same number took its place"
    assert other.header.caller["sip.callID"] == second.call_id
    assert other.summary.end_reason == "the caller hung up"
    assert "room direct: another call took its caller's place" in caplog.text
