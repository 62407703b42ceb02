"""Real SIP telephones for tests: baresip plays and records a call, sipp does as it is told."""

import asyncio
import contextlib
import itertools
import signal
import socket
import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.testing.livekit_stack import LOOPBACK, free_port

sys.path.append(str(Path(__file__).parent))
from sipp_scenarios import SCENARIOS

#: Codec of a baresip account, and its rate.
CODECS = {
    "PCMU": ("PCMU/8000/1", 8_000),
    "PCMA": ("PCMA/8000/1", 8_000),
    "G722": ("G722/16000/1", 16_000),
}
CONFIG = """\
sip_listen {address}
audio_source aufile,{folder}/in.wav
audio_player aufile,/dev/null
audio_alert aufile,/dev/null
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
audio_buffer 20-160
jitter_buffer_delay 1-5
rtp_ports {rtp}-{last}
snd_path {folder}
module_path /usr/lib/baresip/modules
module stdio.so
module g711.so
module g722.so
module aufile.so
module auresamp.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
"""
ACCOUNT = "<sip:tester@{address};transport=udp>;regint=0;audio_codecs={codec}\n"
RTP_PORTS = 20
#: Never one twice: the end of a call is sent again and again to a telephone that went.
_SIPP_PORTS = itertools.count(26_000, 10)


async def until(is_so, within_s=20.0):
    """Wait for what a telephone does: long, since the machine may do other things besides."""
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110  # of other programs
            await asyncio.sleep(0.05)


def is_taken(port):
    """Whether somebody listens on a UDP port of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def messages_of(folder, port="*"):
    """Where a sipp writes the messages of its calls."""
    return folder / f"sipp-{port}.log"


class Baresip:
    """A telephone that says a recording and keeps what it hears. Made by `calling`."""

    def __init__(self, folder, process):
        self.folder = folder
        self.process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def calling(cls, folder, to, pcm, band="PCMU"):
        """Dial; hang up at the end of the block.

        Args:
            folder: new, for its files.
            to: SIP address without "sip:".
            pcm: float32 [N] at 24 kHz, said as soon as the call is answered.
            band: the one codec that it offers.
        """
        folder.mkdir()
        codec, rate = CODECS[band]
        address = f"{LOOPBACK}:{free_port(first=24_000)}"
        rtp = free_port(first=25_000, count=RTP_PORTS)
        rtp += rtp % 2
        soundfile.write(folder / "in.wav", soxr.resample(pcm, SAMPLE_RATE_HZ, rate), rate, "PCM_16")
        config = CONFIG.format(
            address=address, folder=folder, rate=rate, rtp=rtp, last=rtp + RTP_PORTS - 1
        )
        (folder / "config").write_text(config)
        (folder / "accounts").write_text(ACCOUNT.format(address=address, codec=codec))
        command = ["baresip", "-f", str(folder), "-e", f"/dial sip:{to}"]
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log
            )
        try:
            yield cls(folder, process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)  # it says BYE
            await process.wait()

    @property
    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    async def established(self):
        """Wait until the call has been answered."""
        await until(lambda: "established" in self.log)

    def heard(self):
        """What came out of it, float32 [N] at 24 kHz."""
        (file,) = self.folder.glob("dump-*-dec.wav")
        pcm, rate = soundfile.read(file, dtype="float32")
        return soxr.resample(pcm, rate, SAMPLE_RATE_HZ).astype(np.float32)


@contextlib.asynccontextmanager
async def sipp(folder, scenario, *, to=None):
    """Run a scenario of one call; gives its address.

    Args:
        folder: for its files.
        scenario: a key of `SCENARIOS`.
        to: host:port that a caller's scenario calls, number 100.
    """
    port = free_port(first=next(_SIPP_PORTS))
    media = free_port(first=29_000, count=4)
    file = folder / f"sipp-{port}.xml"
    file.write_text(SCENARIOS[scenario])
    command = ["sipp", "-sf", str(file), "-i", LOOPBACK, "-mi", LOOPBACK, "-p", str(port)]
    command += ["-mp", str(media), "-m", "1", "-nostdin", "-rtp_echo", "-trace_msg"]
    command += ["-message_file", str(messages_of(folder, port))]
    command += ["-s", "100", to] if to else []
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: is_taken(port))
        yield f"{LOOPBACK}:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
