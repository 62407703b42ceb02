"""The example of a LiveKit app, with a person who asks a question in its room."""

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest
from livekit import api, rtc

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.audio.wav import read_wav
from voiceagent.testing.phone_worker import PhoneWorker

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from livekit_app import bring_agent

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]
QUESTION = Path(__file__).parents[3] / "voiceagent" / "assets" / "question.wav"
PIECE = SAMPLE_RATE_HZ // 100


async def speak(source, pcm):
    """In real time."""
    due_s = asyncio.get_running_loop().time()
    for piece in pcm[: pcm.size // PIECE * PIECE].reshape(-1, PIECE):
        data = (piece * 32_767).astype(np.int16).tobytes()
        await source.capture_frame(rtc.AudioFrame(data, SAMPLE_RATE_HZ, 1, PIECE))
        due_s += 0.01
        await asyncio.sleep(due_s - asyncio.get_running_loop().time())


async def join(livekit):
    """A person with a microphone."""
    room, source = rtc.Room(), rtc.AudioSource(SAMPLE_RATE_HZ, 1, queue_size_ms=0)
    token = api.AccessToken(livekit.api_key, livekit.api_secret).with_identity("person")
    grants = api.VideoGrants(room_join=True, room="mine")
    await room.connect(livekit.url, token.with_grants(grants).to_jwt())
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    await room.local_participant.publish_track(track)
    return room, source


async def test_an_app_reads_what_both_say_and_what_the_agent_does(
    livekit, quick, tmp_path, monkeypatch
):
    for name, value in livekit.environment().items():
        monkeypatch.setenv(name, value)
    texts, states = {}, []
    async with PhoneWorker.running(quick, tmp_path / "worker"):
        room, source = await join(livekit)
        await bring_agent(
            room,
            lambda identity, text: texts.setdefault(identity, []).append(text),
            lambda changed: states.append(changed.get("lk.agent.state")),
            policy="on",
        )
        pcm = read_wav(QUESTION).pcm
        noise = np.random.default_rng(0).normal(0, 0.001, 8 * SAMPLE_RATE_HZ)
        sound = noise.astype(np.float32)
        sound[2 * SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ + pcm.size] += pcm
        await speak(source, sound)
        await room.disconnect()
    agent = next(identity for identity in texts if identity != "person")
    assert texts["person"][-1].strip() == "what is three plus four"
    assert "".join(texts[agent]).strip() == "three plus four is seven"
    assert "speaking" in states
    assert states.index("listening") < states.index("speaking")
