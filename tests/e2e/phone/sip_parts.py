"""Real SIP telephones for tests: baresip plays and records a call, sipp answers as it is told."""

import asyncio
import contextlib
import itertools
import signal

import numpy as np
import soundfile
import soxr

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.testing.livekit_stack import LOOPBACK, free_port

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

    async def until(self, text, within_s):
        """Wait until it has written this."""
        async with asyncio.timeout(within_s):
            while text not in self.log:  # noqa: ASYNC110  # a file
                await asyncio.sleep(0.05)

    def heard(self):
        """What came out of it, float32 [N] at 24 kHz."""
        (file,) = self.folder.glob("dump-*-dec.wav")
        pcm, rate = soundfile.read(file, dtype="float32")
        return soxr.resample(pcm, rate, SAMPLE_RATE_HZ).astype(np.float32)


_HEAD = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="callee">
<recv request="INVITE"/>
<send><![CDATA[
SIP/2.0 180 Ringing
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag01[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Length: 0

]]></send>
"""
_REFUSE = """\
<send><![CDATA[
SIP/2.0 {code} {reason}
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag01[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
<recv request="ACK" timeout="5000"/>
"""
_RING_ON = """\
<recv request="CANCEL"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"""
_ANSWER = """\
<pause milliseconds="300"/>
<send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag01[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=callee 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
<recv request="ACK"/>
<recv request="BYE" timeout="20000"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"""
#: What a callee may do: refuse with a code, ring for ever, or answer and wait for the end.
CALLEES = {
    "busy": _REFUSE.format(code=486, reason="Busy Here"),
    "declines": _REFUSE.format(code=603, reason="Decline"),
    "unknown": _REFUSE.format(code=404, reason="Not Found"),
    "rings": _RING_ON,
    "answers": _ANSWER,
}

#: A caller who is asked to call somebody else (REFER), and will not.
UNWILLING = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="caller">
<send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:unwilling@[local_ip]:[local_port]>;tag=[pid]SIPpTag00[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:unwilling@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=caller 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="200" rtd="true" rrs="true"/>
<send><![CDATA[
ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:unwilling@[local_ip]:[local_port]>;tag=[pid]SIPpTag00[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Content-Length: 0

]]></send>
<recv request="REFER"/>
<send><![CDATA[
SIP/2.0 603 Decline
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
<recv request="BYE" timeout="30000"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""


@contextlib.asynccontextmanager
async def sipp(folder, scenario, *, to=None):
    """Run a scenario of one call; gives its address and process.

    Args:
        folder: for its files.
        scenario: a key of `CALLEES`, or XML.
        to: host:port that a caller's scenario calls, number 100.
    """
    port = free_port(first=next(_SIPP_PORTS))
    media = free_port(first=29_000, count=4)
    file = folder / f"sipp-{port}.xml"
    body = CALLEES.get(scenario)
    file.write_text(f"{_HEAD}{body}</scenario>\n" if body else scenario)
    command = ["sipp", "-sf", str(file), "-i", LOOPBACK, "-mi", LOOPBACK, "-p", str(port)]
    command += ["-mp", str(media), "-m", "1", "-nostdin", "-rtp_echo", "-trace_msg"]
    command += [
        "-message_file",
        str(folder / f"sipp-{port}.log"),
        *(["-s", "100", to] if to else []),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    await asyncio.sleep(0.5)  # it says nowhere that it listens
    try:
        yield f"{LOOPBACK}:{port}", process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
