"""Real telephones through a real LiveKit SIP service, where there is a livekit-sip."""

import asyncio
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
from voiceagent.errors import LiveKitUnavailable
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.telephony import TelephonyConfig
from voiceagent.gateway.phone.trunks import set_up
from voiceagent.testing.livekit_stack import LOOPBACK, LiveKitStack, Programs, free_port
from voiceagent.testing.phone_worker import COMMAND, PhoneWorker
from voiceagent.testing.words import word_accuracy

sys.path.append(str(Path(__file__).parent))
from sip_parts import UNWILLING, Baresip, sipp

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

QUESTION = Path(__file__).parents[3] / "voiceagent" / "assets" / "question.wav"
NUMBER, OURS = "+15105550199", "+15105550100"
RINGING_S = 5
BUSY = "phone_calls_active"
#: From the beginning of the recording to the question, and from there to its answer's end.
WAIT_S, LISTEN_S = 2.0, 5.0


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

    async def set_up(self, outbound_address="127.0.0.1:9"):
        """Numbers in, and calls out to this address."""
        lines = TelephonyConfig(
            numbers=("100",),
            outbound=True,
            outbound_prefixes=("+1",),
            outbound_address=outbound_address,
            outbound_transport="udp",
            outbound_number=OURS,
            ringing_timeout_s=RINGING_S,
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
        await lines.worker.until(BUSY, bool, 10)
        await asyncio.sleep(WAIT_S + LISTEN_S)
    await lines.freed(2)
    session = await lines.worker.last_session()
    assert said(session) == "three plus four is seven"
    assert session.summary.end_reason == "the caller hung up"
    assert session.header.caller["sip.trunkPhoneNumber"] == "100"
    heard = recogniser.transcribe(telephone.heard())
    assert word_accuracy(["three plus four is seven"], [heard]) >= 0.8, heard


async def test_keys_of_a_telephone_arrive(lines, tmp_path, question):
    to = f"100@{lines.livekit.sip_address}"
    async with Baresip.calling(tmp_path / "baresip", to, question) as telephone:
        await lines.worker.until(BUSY, bool, 10)
        await telephone.until("established", 5)
        before = (await lines.worker.metrics())["phone_keys_in_total"]
        for key in "12#":
            telephone.process.stdin.write(key.encode())
            await asyncio.sleep(0.4)
        await lines.worker.until("phone_keys_in_total", lambda n: n == before + 3, 5)
    await lines.freed(2)


async def test_a_caller_is_transferred_to_another_telephone(lines, tmp_path, question):
    to = f"100@{lines.livekit.sip_address}"
    async with sipp(tmp_path, "answers") as (desk, _):
        async with Baresip.calling(tmp_path / "baresip", to, question):
            await lines.worker.until(BUSY, bool, 10)
            await asyncio.sleep(1)
            session = lines.worker.records.ids()[-1]
            status, output = await lines.command("transfer", session[:8], f"sip:desk@{desk}")
            assert (status, output) == (0, f"transferred to sip:desk@{desk}\n")
            await lines.freed(8)
        messages = next(tmp_path.glob("sipp-*.log")).read_text()
    assert "INVITE sip:desk@" in messages
    assert (await lines.worker.last_session()).summary.end_reason.startswith("transferred to")


async def test_a_refused_transfer_is_said_and_the_call_goes_on(lines, tmp_path):
    async with sipp(tmp_path, UNWILLING, to=lines.livekit.sip_address):
        await lines.worker.until(BUSY, bool, 10)
        await asyncio.sleep(1)
        session = lines.worker.records.ids()[-1]
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
        ("rings", 6, f"did not answer in {RINGING_S} s"),
        (None, 6, f"did not answer in {RINGING_S} s"),
    ],
)
async def test_a_call_out_that_is_not_answered_says_why(lines, tmp_path, callee, status, words):
    if callee is None:
        await lines.set_up(f"{LOOPBACK}:{free_port(first=28_000)}")
        found, output = await lines.command("call", NUMBER)
    else:
        async with sipp(tmp_path, callee) as (address, _):
            await lines.set_up(address)
            found, output = await lines.command("call", NUMBER)
    assert found == status, output
    assert words in output
    await lines.freed(8)


async def test_a_call_out_that_is_answered_is_a_conversation(lines, tmp_path):
    async with sipp(tmp_path, "answers") as (address, _):
        await lines.set_up(address)
        status, output = await lines.command("call", NUMBER)
        assert status == 0, output
        assert f"{NUMBER} answered after" in output
        await lines.worker.until(BUSY, lambda n: n == 1, 3)
        await asyncio.sleep(1)
        header = lines.worker.records.record(lines.worker.records.ids()[-1]).header
        assert header.caller["sip.phoneNumber"] == NUMBER
    await lines.freed()


async def test_a_number_that_may_not_be_called_rings_nowhere(lines):
    status, output = await lines.command("call", "+4930123456")
    assert status == 2
    assert "may not be called" in output
