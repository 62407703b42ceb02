import asyncio
import dataclasses
from types import SimpleNamespace

import pytest

from voiceagent.clock import MonotonicClock
from voiceagent.errors import PromptRefused
from voiceagent.gateway.phone.call import Setup
from voiceagent.gateway.phone.calls import Calls
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.outbound import OUTBOUND
from voiceagent.gateway.protocol.agent_worker import Assigned, Job
from voiceagent.gateway.recording import Origin
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.local import LocalClient
from voiceagent.serving.ports import SessionOptions
from voiceagent.testing.sip_caller import Dialled, SipCaller

DEFAULTS = SessionOptions(role="clerk")


def job(number, room=None, metadata=""):
    return Job(f"AJ_{number}", room or f"call-{number}", metadata)


def make_calls(engine=None, slots=2, **settings):
    config = LiveKitConfig(url="ws://127.0.0.1:9", api_key="k", api_secret="s" * 32, **settings)
    setup = Setup(config, {}, None, MonotonicClock())
    return Calls(engine, slots, setup, Origin(model="echo"), DEFAULTS)


def test_jobs_are_taken_for_the_slots_and_for_some_who_are_told_that_there_is_none():
    calls = make_calls(slots=2, capacity_calls=1)
    assert [calls.would_take(job(number)) for number in range(4)] == [True, True, True, False]
    calls.give_up("AJ_0")
    assert calls.would_take(job(5))


def test_nobody_is_rung_to_be_told_that_there_is_no_slot():
    calls = make_calls(slots=1, capacity_calls=1)
    out = Job("AJ_1", "out", "", room_metadata=OUTBOUND)
    assert calls.would_take(out)
    assert not calls.would_take(dataclasses.replace(out, id="AJ_2"))
    assert calls.would_take(job(3))


def test_the_load_stays_below_the_servers_target_and_is_highest_without_a_slot():
    calls = make_calls(slots=2, target_load=0.7)
    loads = [calls.load]
    for number in range(3):
        calls.would_take(job(number))
        loads.append(calls.load)
    assert loads[0] == 0
    assert loads[1] == pytest.approx(0.3465)
    assert loads[2] == loads[3] == pytest.approx(0.693)
    assert max(loads) < 0.7


def test_a_change_of_the_load_is_told():
    calls, told = make_calls(), []
    calls.on_change = lambda: told.append(calls.load)
    calls.would_take(job(1))
    calls.give_up("AJ_1")
    assert told == [pytest.approx(0.3465), 0]


@pytest.mark.asyncio
async def test_a_worker_that_drains_takes_no_more_and_is_done_when_nobody_is_left():
    calls = make_calls()
    async with asyncio.timeout(1):
        await calls.drain(5)
    assert not calls.would_take(job(1))


@pytest.mark.asyncio
async def test_a_job_for_a_room_whose_conversation_waits_is_taken_even_then():
    calls = make_calls(slots=1, capacity_calls=0)
    calls._calls["c1"] = SimpleNamespace(leg=SimpleNamespace(room_name="kept"))
    calls.is_draining = True
    assert calls.would_take(job(1, room="kept"))
    assert not calls.would_take(job(2))


@pytest.mark.asyncio
async def test_a_room_that_cannot_be_entered_fails_its_job_and_frees_its_promise(caplog):
    calls = make_calls()
    assert calls.would_take(job(1))
    error = await calls.take(Assigned(job(1), "", "eyJhbGciOiJIUzI1NiJ9.e30.x"))
    assert error
    assert calls.num_busy == 0
    assert "room call-1" in caplog.text
    assert "eyJ" not in caplog.text + error


@pytest.mark.asyncio
async def test_a_job_that_the_server_ends_ends_its_call_and_no_other():
    calls, ended = make_calls(), []
    legs = [SimpleNamespace(room_name="a"), SimpleNamespace(room_name="b")]
    for leg in legs:
        calls._calls[leg.room_name] = SimpleNamespace(
            leg=leg, end=lambda reason, name=leg.room_name: ended.append((name, reason))
        )
    calls._legs["AJ_1"] = legs[1]
    calls.terminate("AJ_0")
    calls.terminate("AJ_1")
    assert ended == [("b", "the LiveKit server ended the job")]


class Picky:
    """An engine that has no such voice."""

    def __init__(self):
        self.asked = []

    async def open(self, options):
        self.asked.append(options)
        if options.voice:
            raise PromptRefused("there is no voice 'bob'")
        return "a slot"


@pytest.mark.asyncio
async def test_a_wish_that_the_engine_cannot_fulfil_is_named_and_the_defaults_hold(caplog):
    engine = Picky()
    wish = job(1, metadata='{"voice": "bob"}')
    assert await make_calls(engine)._open(wish) == "a slot"
    assert engine.asked[-1] == DEFAULTS
    assert "no voice 'bob'" in caplog.text


@pytest.mark.asyncio
async def test_a_caller_is_told_where_even_the_defaults_are_refused(monkeypatch):
    async def tell(self, leg, job, error):
        told.append(str(error))

    async def wait_caller(within_s):
        return SimpleNamespace(key="caller")

    told = []
    monkeypatch.setattr(Calls, "_tell", tell)
    leg = SimpleNamespace(wait_caller=wait_caller, elder=lambda: None)
    calls = make_calls(Picky())
    calls._defaults = dataclasses.replace(DEFAULTS, voice="bob")
    await calls._serve(job(1), leg)
    assert told == ["there is no voice 'bob'"]


class Held:
    """A call that is or is not lost, and the legs that it was given."""

    def __init__(self, is_lost):
        self.is_lost, self.legs = is_lost, []

    async def wait_lost(self, within_s):
        return self.is_lost

    def attach(self, leg):
        self.legs.append(leg)


class Room:
    room_name = "r"

    def __init__(self):
        self.did = []

    async def publish(self):
        self.did.append("publish")

    def answer(self):
        self.did.append("answer")

    async def leave(self):
        self.did.append("leave")


@pytest.mark.asyncio
@pytest.mark.parametrize("is_lost", [True, False])
async def test_only_a_conversation_that_waits_for_its_caller_goes_on_in_a_new_job(is_lost):
    call, leg = Held(is_lost), Room()
    await make_calls()._go_on(call, leg)
    assert call.legs == [leg] * is_lost
    assert leg.did == (["publish", "answer"] if is_lost else ["leave"])


class Slow:
    """An engine whose slot comes when the caller has hung up."""

    def __init__(self, engine, caller, leg):
        self.engine, self.caller, self.leg = engine, caller, leg

    async def open(self, options):
        await self.caller._room.disconnect()
        await self.caller.until(lambda: not self.leg.has_caller, 5)
        return await self.engine.open(options)


@pytest.mark.slow
@pytest.mark.asyncio
async def test_who_hangs_up_while_a_slot_is_looked_for_takes_none(livekit, join):
    dialled = Dialled(room="r", agent_name=None)
    async with (
        SipCaller.dial(livekit, dialled) as caller,
        join(room=dialled.room) as leg,
        LocalClient(EchoEngine(), model="echo") as engine,
    ):
        calls = make_calls(Slow(engine, caller, leg))
        await calls._serve(job(1, room=dialled.room), leg)
        assert await calls._wait(2)  # the server closes the room after 5
        assert list(calls) == []
