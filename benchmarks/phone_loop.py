"""One measured call of bench_phone: chirps into a simulated telephone, and their echo out of it.

A delay is from the packet of 20 ms that a sound left the telephone in to the packet that it came
back in; what a telephone itself adds (a packet's length, a jitter buffer) is not in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import soxr
from loop_chirps import CHIRP_MS, LONGEST_MS, RATE_HZ, measure, microphone

from voiceagent.testing.handset import PACKET_MS, Heard
from voiceagent.testing.livekit_stack import LiveKitStack
from voiceagent.testing.phone_worker import PhoneWorker
from voiceagent.testing.sip_caller import Dialled, SipCaller
from voiceagent.testing.telephone_line import Band

#: The first seconds of a call read higher, and then settle.
SETTLED_S = 3.0
AGENTS = Path(__file__).with_name("phone_agents.py")
ROOM = "direct"


@contextlib.asynccontextmanager
async def echo_worker(livekit: LiveKitStack, folder: Path) -> AsyncIterator[PhoneWorker]:
    """The project's worker with the echo engine."""
    environment = {**livekit.environment(), "VOICEAGENT_LIVEKIT_GREETING": "false"}
    command = (sys.executable, str(AGENTS), "echo")
    async with PhoneWorker.running(environment, folder, command=command) as worker:
        yield worker


@contextlib.asynccontextmanager
async def direct_agent(livekit: LiveKitStack) -> AsyncIterator[None]:
    """An agent of LiveKit's client alone, in `ROOM`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(AGENTS), "direct", ROOM),
        env={**os.environ, **livekit.environment()},
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def call(livekit: LiveKitStack, dialled: Dialled, seconds: float) -> list[float | None]:
    """How long each chirp took once the call had settled, ms; None for one that did not come back.

    Args:
        livekit: that is called.
        dialled: how.
        seconds: that are judged.
    """
    async with SipCaller.dial(livekit, dialled) as caller:
        await caller.answered()
        await caller.until(lambda: caller.heard().pcm.size > 0, 5)
        sent = microphone(round(SETTLED_S + seconds + LONGEST_MS / 1000 + 1))
        ended_s = await caller.say(sent, RATE_HZ)
        began_s = ended_s - (sent.size / RATE_HZ - PACKET_MS / 1000)
        await asyncio.sleep(LONGEST_MS / 1000)
        heard = caller.heard(began_s)
    chirps = measure(sent, _on_the_callers_clock(heard, began_s))
    until_ms = 1000 * (SETTLED_S + seconds) - CHIRP_MS
    return [c.delay_ms for c in chirps if 1000 * SETTLED_S <= c.at_ms < until_ms]


def _on_the_callers_clock(heard: Heard, began_s: float) -> np.ndarray:
    """What came back at 48 kHz, from when the first chirp left on."""
    packets = np.arange(len(heard.arrived_s)) * PACKET_MS / 1000
    # packets follow each other without a gap; when they arrive, they do with the event loop's mood
    lead_s = float(np.median(heard.arrived_s - packets)) - began_s
    sound = soxr.resample(heard.pcm, heard.rate_hz, RATE_HZ).astype(np.float32)
    lead = round(lead_s * RATE_HZ)
    return np.pad(sound, (lead, 0)) if lead >= 0 else sound[-lead:]


def dialled(agent: str, band: Band) -> Dialled:
    """A call to "direct" or "echo", in silence but for its chirps."""
    if agent == "direct":
        return Dialled(band=band, noise_dbfs=-80, agent_name=None, room=ROOM)
    return Dialled(band=band, noise_dbfs=-80)


@contextlib.asynccontextmanager
async def temporary_folder() -> AsyncIterator[Path]:
    """For logs and records."""
    with tempfile.TemporaryDirectory(prefix="bench_phone-") as folder:
        yield Path(folder)
