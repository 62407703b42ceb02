"""A LiveKit and a phone worker for the calls of a file, and voices the model never heard."""

import dataclasses
import functools
import os

import numpy as np
import pytest
import pytest_asyncio

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.scenes.domain import turn_for
from voiceagent.scenes.speakers import speaker
from voiceagent.testing.handset import Heard
from voiceagent.testing.livekit_stack import LiveKitStack
from voiceagent.testing.phone_worker import PhoneWorker
from voiceagent.testing.recogniser import Recogniser
from voiceagent.testing.words import word_accuracy

SLOTS = 4
#: Nothing that takes its time is waited for; what a test is about it sets itself.
QUICK = {
    "VOICEAGENT_LIVEKIT_GREETING": "false",
    "VOICEAGENT_LIVEKIT_CALLER_WITHIN_S": "10",
    "VOICEAGENT_LIVEKIT_UNHEARD_AFTER_S": "4",
    # a machine that does other things besides shall stutter, not refuse to start
    "VOICEAGENT_ENGINE_ALLOW_SLOW": "true",
    # as the server's; a full worker looks less free than others, whom the server prefers then
    "VOICEAGENT_LIVEKIT_TARGET_LOAD": "1.0",
}
LOUD = 0.01
#: An answer is over after as much silence, and must be soon.
PAUSE_S, ANSWER_WITHIN_S = 1.0, 10.0
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


@pytest.fixture(scope="session")
def worker_environment():
    return {**os.environ, **QUICK}


@pytest.fixture
def quick(livekit):
    """Environment of a worker at a test's own server."""
    return {**livekit.environment(), **QUICK}


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
        sound: what came back.
        wanted: the right answer.
        latency_s: from the last of the question into the line to the first of the answer out of it.
    """

    sound: Heard
    wanted: str
    latency_s: float


@functools.cache
def spoken(text, voice):
    return speaker(voice).say(text).pcm


async def ask(caller, text, voice="flite:kal"):
    """Ask a question in a voice over a call, and hear the answer out."""
    pcm = spoken(text, voice)
    silence_s = (pcm.size - np.flatnonzero(np.abs(pcm) > LOUD)[-1]) / SAMPLE_RATE_HZ
    ended_s = await caller.say(pcm, SAMPLE_RATE_HZ) - silence_s

    def is_answered():
        heard = caller.heard(ended_s)
        if heard.first_loud_s(above=LOUD) is None:
            return False
        return caller.heard(heard.arrived_s[-1] - PAUSE_S).first_loud_s(above=LOUD) is None

    await caller.until(is_answered, ANSWER_WITHIN_S)
    heard = caller.heard(ended_s)
    return Asked(heard, turn_for(text).agent_text, heard.first_loud_s(above=LOUD) - ended_s)


@pytest.fixture(scope="session", name="ask")
def _ask():
    return ask


@pytest.fixture(scope="session")
def are_right(recogniser):
    """Whether Whisper hears the right answers; for after the calls, since it takes a core."""

    def are_right(*asked):
        said = [recogniser.transcribe(one.sound.at_24_khz()) for one in asked]
        accuracy = word_accuracy([one.wanted for one in asked], said)
        assert accuracy >= 0.8, said
        return True

    return are_right


@pytest.fixture(scope="session")
def is_right(recogniser):
    """Whether Whisper hears the right answer, as `are_right` of several."""

    def is_right(one):
        said = recogniser.transcribe(one.sound.at_24_khz())
        return word_accuracy([one.wanted], [said]) >= 0.8

    return is_right
