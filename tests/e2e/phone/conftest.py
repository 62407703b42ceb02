"""A LiveKit and a phone worker for the calls of a file, and voices the model never heard."""

import asyncio
import dataclasses

import numpy as np
import pytest
import pytest_asyncio

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.scenes.domain import turn_for
from voiceagent.scenes.speakers import speaker
from voiceagent.testing.livekit_stack import LiveKitStack
from voiceagent.testing.phone_worker import PhoneWorker
from voiceagent.testing.recogniser import Recogniser

SLOTS = 4
#: Nothing that takes its time is waited for; what a test is about it sets itself.
QUICK = {
    "VOICEAGENT_LIVEKIT_GREETING": "false",
    "VOICEAGENT_LIVEKIT_CALLER_WITHIN_S": "10",
    "VOICEAGENT_LIVEKIT_UNHEARD_AFTER_S": "4",
}
LOUD = 0.01
_FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config):
    config.stash[_FIGURES] = []


def pytest_terminal_summary(terminalreporter, config):
    for figure in config.stash[_FIGURES]:
        terminalreporter.line(f"phone: {figure}")


@pytest.fixture
def tell(request):
    """Have a figure printed when all tests are over."""
    return request.config.stash[_FIGURES].append


@dataclasses.dataclass(frozen=True)
class Phone:
    """What a file's calls go to."""

    livekit: LiveKitStack
    worker: PhoneWorker


@pytest.fixture(scope="session")
def recogniser():
    pytest.importorskip("faster_whisper")
    return Recogniser()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phone(livekit_programs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("phone")
    async with LiveKitStack.running(livekit_programs, folder) as livekit:
        environment = {**livekit.environment(), **QUICK}
        arguments = ["--slots", str(SLOTS), "--verbose"]
        async with PhoneWorker.running(environment, folder / "worker", arguments) as worker:
            yield Phone(livekit, worker)


@dataclasses.dataclass(frozen=True)
class Asked:
    """A question that was put into a telephone.

    Attributes:
        said: what came back, as Whisper writes it.
        wanted: the right answer.
        latency_s: from the last of the question into the line to the first of the answer out of it.
    """

    said: str
    wanted: str
    latency_s: float


@pytest.fixture(scope="session")
def ask(recogniser):
    """Ask a question in a voice over a call, and hear the answer out."""

    async def ask(caller, text, voice="flite:kal", *, listen_s=3.5):
        spoken = speaker(voice).say(text).pcm
        loud = np.flatnonzero(np.abs(spoken) > LOUD)
        silence_s = (spoken.size - loud[-1]) / SAMPLE_RATE_HZ
        ended_s = await caller.say(spoken, SAMPLE_RATE_HZ) - silence_s
        await asyncio.sleep(listen_s)
        heard = caller.heard(ended_s)
        first_s = heard.first_loud_s(above=LOUD)
        assert first_s is not None, f"no answer to {text!r}"
        said = await asyncio.to_thread(recogniser.transcribe, heard.at_24_khz())
        return Asked(said, turn_for(text).agent_text, first_s - ended_s)

    return ask
