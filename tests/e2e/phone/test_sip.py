"""Real telephones through a real LiveKit SIP service, where there is a livekit-sip."""

import asyncio
import contextlib
import dataclasses
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from livekit import api

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.audio.wav import read_wav
from voiceagent.errors import LiveKitUnavailable, RecordError
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.telephony import TelephonyConfig
from voiceagent.gateway.phone.trunks import set_up
from voiceagent.testing.livekit_stack import LOOPBACK, LiveKitStack, Programs, free_port
from voiceagent.testing.phone_worker import COMMAND, PhoneWorker
from voiceagent.testing.words import word_accuracy

sys.path.append(str(Path(__file__).parent))
from sip_parts import Baresip, messages_of, sipp, until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

QUESTION = Path(__file__).parents[3] / "voiceagent" / "assets" / "question.wav"
NUMBER, OURS = "+15105550199", "+15105550100"
#: For those who do not answer, and for those who shall on a machine that does other things besides.
RINGING_S, ANSWERING_S = 5, 20
#: Status of the command then.
NOT_ANSWERED = 6
BUSY, KEYS = "phone_calls_active", "phone_keys_in_total"
ANSWER = "three plus four is seven"
#: From the beginning of the recording to the question; from an answer's text to the end of it.
WAIT_S, TAIL_S = 2.0, 2.0


@pytest.fixture(scope="module")
def sip_programs():
    for name in ("baresip", "sipp"):
        if shutil.which(name) is None:
            pytest.skip(f"no {name}; get it with: sudo apt-get install baresip-core sip-tester")
    try:
        return Programs.find(with_sip=True)
    except LiveKitUnavailable as error:
        pytest.skip(str(error))


@dataclasses.dataclass
class Lines:
    """A LiveKit with telephone lines, and its agent."""

    livekit: LiveKitStack
    worker: PhoneWorker
    environment: dict[str, str]

    async def set_up(self, outbound_address="127.0.0.1:9", ringing_s=ANSWERING_S):
        """Numbers in, and calls out to this address."""
        lines = TelephonyConfig(
            numbers=("100",),
            outbound=True,
            outbound_prefixes=("+1",),
            outbound_address=outbound_address,
            outbound_transport="udp",
            outbound_number=OURS,
            ringing_timeout_s=ringing_s,
        )
        for field in ("outbound_address", "ringing_timeout_s", "outbound_number"):
            name = f"VOICEAGENT_TELEPHONY_{field.upper()}"
            self.environment[name] = str(getattr(lines, field))
        self.environment["VOICEAGENT_TELEPHONY_OUTBOUND"] = "true"
        self.environment["VOICEAGENT_TELEPHONY_OUTBOUND_PREFIXES"] = "+1"
        self.environment["VOICEAGENT_TELEPHONY_OUTBOUND_TRANSPORT"] = "udp"
        livekit = self.livekit
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lkapi:
            await set_up(lkapi, LiveKitConfig(), lines)

    async def talking(self):
        """Until a call goes on that has a record; returns its id."""
        await self.worker.until(BUSY, bool, 20)
        await until(lambda: self._last() is not None)
        return self.worker.records.ids()[-1]

    async def answered(self, text):
        """Until the agent has said this in the last call."""
        await until(lambda: (session := self._last()) is not None and said(session) == text)
        await asyncio.sleep(TAIL_S)

    def _last(self):
        """The last session, if it has a record that can be read yet."""
        try:
            return self.worker.records.record(self.worker.records.ids()[-1])
        except (IndexError, RecordError):
            return None

    async def freed(self, within_s=20.0):
        """Until no call goes on; one whose telephone went without a word is cut off after 15 s."""
        await self.worker.until(BUSY, lambda n: n == 0, within_s)

    async def command(self, *arguments):
        """Run `voiceagent livekit ...`; returns its exit status and all that it wrote."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lines(sip_programs, tmp_path_factory, worker_environment):
    folder = tmp_path_factory.mktemp("sip")
    async with LiveKitStack.running(sip_programs, folder) as livekit:
        environment = {**worker_environment, **livekit.environment()}
        arguments = ["--slots", "2", "--verbose"]
        async with PhoneWorker.running(environment, folder / "worker", arguments) as worker:
            environment["VOICEAGENT_RECORDS_DIR"] = str(worker.records.root)
            lines = Lines(livekit, worker, environment)
            await lines.set_up()
            yield lines


@pytest.fixture(scope="module")
def question():
    """Room noise for as long as a call needs, and the question in it."""
    pcm = read_wav(QUESTION).pcm
    start = round(WAIT_S * SAMPLE_RATE_HZ)
    noise = np.random.default_rng(0).normal(0, 0.001, start + 12 * SAMPLE_RATE_HZ)
    sound = noise.astype(np.float32)
    sound[start : start + pcm.size] += pcm
    return sound


def said(session):
    return "".join(frame.said or "" for frame in session.trace).strip()


@pytest.mark.parametrize("band", ["PCMU", "PCMA", "G722"])
async def test_a_telephone_asks_and_hears_the_answer(lines, tmp_path, question, recogniser, band):
    to = f"100@{lines.livekit.sip_address}"
    async with Baresip.calling(tmp_path / "baresip", to, question, band) as telephone:
        await lines.talking()
        await lines.answered(ANSWER)
    await lines.freed()
    session = await lines.worker.last_session()
    assert said(session) == ANSWER
    assert session.summary.end_reason == "the caller hung up"
    assert session.header.caller["sip.trunkPhoneNumber"] == "100"
    heard = recogniser.transcribe(telephone.heard())
    assert word_accuracy([ANSWER], [heard]) >= 0.8, heard


async def test_keys_of_a_telephone_arrive(lines, tmp_path, question):
    to = f"100@{lines.livekit.sip_address}"
    async with Baresip.calling(tmp_path / "baresip", to, question) as telephone:
        await lines.talking()
        await telephone.established()
        before = (await lines.worker.metrics())[KEYS]
        for number, key in enumerate("12#", 1):
            telephone.process.stdin.write(key.encode())
            await lines.worker.until(KEYS, lambda n, due=before + number: n == due, 10)
    await lines.freed()


async def test_a_caller_is_transferred_to_another_telephone(lines, tmp_path, question):
    to = f"100@{lines.livekit.sip_address}"
    async with sipp(tmp_path, "answers") as desk:
        async with Baresip.calling(tmp_path / "baresip", to, question) as telephone:
            session = await lines.talking()
            await telephone.established()
            status, output = await lines.command("transfer", session[:8], f"sip:desk@{desk}")
            assert (status, output) == (0, f"transferred to sip:desk@{desk}\n")
            await lines.freed()
        messages = next(tmp_path.glob(messages_of(tmp_path).name)).read_text()
    assert "INVITE sip:desk@" in messages
    assert (await lines.worker.last_session()).summary.end_reason.startswith("transferred to")


async def test_a_refused_transfer_is_said_and_the_call_goes_on(lines, tmp_path):
    async with sipp(tmp_path, "unwilling", to=lines.livekit.sip_address):
        session = await lines.talking()
        (messages,) = tmp_path.glob(messages_of(tmp_path).name)
        await until(lambda: "ACK sip:" in messages.read_text())
        status, output = await lines.command("transfer", session[:8], "sip:desk@127.0.0.1:9")
        assert status == 1
        assert "transfer refused, the call goes on: 603" in output
        assert (await lines.worker.metrics())[BUSY] == 1
    await lines.freed()


@pytest.mark.parametrize(
    ("callee", "status", "words"),
    [
        ("busy", 3, "is busy (SIP 486)"),
        ("declines", 4, "declined, or the provider does not let us call it (SIP 603)"),
        ("unknown", 5, "does not know (SIP 404)"),
        ("rings", NOT_ANSWERED, f"did not answer in {RINGING_S} s"),
        (None, NOT_ANSWERED, f"did not answer in {RINGING_S} s"),
    ],
)
async def test_a_call_out_that_is_not_answered_says_why(lines, tmp_path, callee, status, words):
    nobody = contextlib.nullcontext(f"{LOOPBACK}:{free_port(first=28_000)}")
    async with nobody if callee is None else sipp(tmp_path, callee) as address:
        await lines.set_up(address, RINGING_S if status == NOT_ANSWERED else ANSWERING_S)
        found, output = await lines.command("call", NUMBER)
    assert found == status, output
    assert words in output
    await lines.freed()


async def test_a_call_out_that_is_answered_is_a_conversation(lines, tmp_path):
    async with sipp(tmp_path, "answers") as address:
        await lines.set_up(address)
        status, output = await lines.command("call", NUMBER)
        assert status == 0, output
        assert f"{NUMBER} answered after" in output
        header = lines.worker.records.record(await lines.talking()).header
        assert header.caller["sip.phoneNumber"] == NUMBER
    await lines.freed()


async def test_a_number_that_may_not_be_called_rings_nowhere(lines):
    status, output = await lines.command("call", "+4930123456")
    assert status == 2
    assert "may not be called" in output
