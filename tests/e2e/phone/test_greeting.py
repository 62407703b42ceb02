"""What the agent says before the model does, to callers who wait for it and to one who does not."""

import asyncio

import pytest
import pytest_asyncio

from voiceagent.gateway.phone.announcements import TEXTS
from voiceagent.testing.livekit_stack import LiveKitStack
from voiceagent.testing.phone_worker import PhoneWorker
from voiceagent.testing.sip_caller import SipCaller

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def greeter(livekit_programs, worker_environment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("greeter")
    async with LiveKitStack.running(livekit_programs, folder) as livekit:
        environment = {**livekit.environment(), **worker_environment}
        environment["VOICEAGENT_LIVEKIT_GREETING"] = "true"
        async with PhoneWorker.running(environment, folder / "worker") as worker:
            yield livekit, worker


def said(record):
    return "".join(frame.said or "" for frame in record.trace).strip()


def states(record):
    return [frame.turn.row["decision"]["state"] for frame in record.trace if frame.turn]


async def test_a_caller_who_waits_is_greeted_and_then_answered(greeter, ask, are_right):
    livekit, worker = greeter
    async with SipCaller.dial(livekit) as caller:
        await caller.answered()
        await caller.until(lambda: any(text == TEXTS["greeting"] for *_, text in caller.texts), 6)
        asked = await ask(caller, "can you hear me")
    assert are_right(asked)
    record = await worker.last_session()
    assert said(record) == f"{TEXTS['greeting']} yes i can hear you"
    greeted = next(n for n, frame in enumerate(record.trace) if frame.said) + 2
    assert states(record)[greeted] == "speak"


async def test_a_caller_who_speaks_over_the_greeting_is_answered_instead(greeter, ask, are_right):
    livekit, worker = greeter
    async with SipCaller.dial(livekit) as caller:
        await caller.answered()
        await caller.until(lambda: caller.heard().first_loud_s() is not None, 5)
        await asyncio.sleep(0.2)
        asked = await ask(caller, "can you hear me")
    assert are_right(asked)
    record = await worker.last_session()
    assert said(record).startswith("Hello!")
    assert "help you?" not in said(record)
    flushed = [frame.turn.row["decision"]["is_flush"] for frame in record.trace if frame.turn]
    assert any(flushed)
