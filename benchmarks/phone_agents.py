"""The agents that bench_phone calls, each giving a caller's sound back, as processes of their own.

    direct ROOM   nothing but LiveKit's client: every 10 ms that arrive are sent back at once
    echo          this project's phone worker with the echo engine, which takes frames of 80 ms

Usage: python phone_agents.py NAME; server, key and settings come from the environment as for
`voiceagent livekit`. Both end with SIGTERM; `echo` prints "registered at" when it can be called,
`direct` is in its room before anybody needs it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from livekit import api, rtc

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.gateway.phone.server import Signals, serve_phone
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.supervisor import EngineProcess
from voiceagent.settings import load_settings


async def echo_directly(room_name: str, stop: asyncio.Event) -> None:
    """Give the first caller of a room its sound back until `stop`."""
    grants = api.VideoGrants(room_join=True, room=room_name)
    token = api.AccessToken().with_identity("direct").with_kind("agent").with_grants(grants)
    room, echoes = rtc.Room(), set()
    source = rtc.AudioSource(SAMPLE_RATE_HZ, 1, queue_size_ms=0)

    async def echo(track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=SAMPLE_RATE_HZ, frame_size_ms=10, capacity=10)
        async for event in stream:
            await source.capture_frame(event.frame)

    room.on("track_subscribed", lambda track, *_: echoes.add(asyncio.create_task(echo(track))))
    await room.connect(os.environ["LIVEKIT_URL"], token.to_jwt())
    track = rtc.LocalAudioTrack.create_audio_track("direct", source)
    await room.local_participant.publish_track(track)
    await stop.wait()
    await room.disconnect()


async def echo_in_frames(stop: asyncio.Event) -> None:
    """Take calls with the echo engine until `stop`."""
    settings = load_settings(None, os.environ, {})
    ready = Signals(stop_now=stop, stop=stop, on_ready=lambda: print("registered at", flush=True))
    engine = EngineProcess(EngineConfig(num_slots=2), is_echo=True)
    await serve_phone(settings.livekit, engine, records=settings.records, signals=ready)


async def main(arguments: list[str]) -> None:
    """Run the agent of this name until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    match arguments:
        case ["direct", room]:
            await echo_directly(room, stop)
        case ["echo"]:
            await echo_in_frames(stop)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(main(sys.argv[1:]))
