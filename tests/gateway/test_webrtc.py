import asyncio
import json

import numpy as np
import pytest
import pytest_asyncio
from pipecat.frames.frames import SpeechOutputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame

from voiceagent.audio.framing import PACKET_SAMPLES
from voiceagent.audio.opus import OpusEncoder
from voiceagent.gateway import webrtc
from voiceagent.gateway.pipeline import AgentSoundFrame
from voiceagent.gateway.webrtc import PeerConnection, PeerTransport

pytestmark = pytest.mark.asyncio


class SteppingClock:
    us = 0

    def now_us(self):
        return self.us


class Channel:
    """A data channel that keeps what it is sent."""

    def __init__(self):
        self.readyState = "open"
        self.bufferedAmount = 0
        self.sent = []
        self.handlers = {}
        self.is_closed = False

    def on(self, event, handler):
        self.handlers[event] = handler

    def send(self, text):
        self.sent.append(json.loads(text))

    def close(self):
        self.is_closed = True


@pytest.fixture
def goodbyes():
    return []


@pytest_asyncio.fixture
async def connection(goodbyes):
    connection = PeerConnection(SteppingClock(), on_goodbye=goodbyes.append)
    yield connection
    await connection.close()


@pytest.fixture
def channel(connection):
    channel = Channel()
    connection._on_channel(channel)
    return channel


def say(channel, kind, **fields):
    text = json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", **fields})
    channel.handlers["message"](text)


async def test_no_ice_server_is_asked_by_default(connection):
    assert connection.ice_servers == []


async def test_client_ready_is_answered_with_bot_ready(channel):
    say(channel, "client-ready")
    assert channel.sent[0]["type"] == "bot-ready"


async def test_messages_before_the_channel_is_open_are_kept(connection):
    connection.send({"n": 1})
    channel = Channel()
    connection._on_channel(channel)
    assert channel.sent == [{"n": 1}]


async def test_a_second_channel_is_closed(connection, channel):
    second = Channel()
    connection._on_channel(second)
    assert second.is_closed
    assert connection.messages.ignored == 1


async def test_a_peer_that_does_not_read_gets_no_more(connection, channel):
    channel.bufferedAmount = webrtc.MAX_UNREAD_BYTES + 1
    connection.send({"n": 1})
    assert (channel.sent, connection.dropped_messages) == ([], 1)


async def test_playout_is_remembered(connection, channel):
    say(channel, "client-message", data={"t": "playout", "d": {"played_ms": 640}})
    assert connection.played_ms == 640


async def test_a_report_of_the_playout_is_handed_on_as_what_was_heard(connection, channel):
    heard = []
    connection.on_heard = heard.append
    await connection.track.recv()
    connection.track.push(np.zeros(1920, np.float32), 6)
    await connection.track.recv()
    say(channel, "client-message", data={"t": "playout", "d": {"played_ms": 40}})
    assert heard == [6 * 80 + 20]


async def test_output_hands_a_new_generation_to_the_track(connection):
    output = PeerTransport(connection).output()
    await connection.track.recv()
    for generation in (0, 1):
        sound = AgentSoundFrame(bytes(2 * 1920), 24_000, 1, step=generation, generation=generation)
        await output.process_frame(sound, FrameDirection.DOWNSTREAM)
    assert connection.track.counts.flushed_samples == 1920


async def test_a_goodbye_is_handed_on(channel, goodbyes):
    say(channel, "disconnect-bot")
    assert goodbyes == ["the client hung up"]


async def test_a_message_shows_that_the_peer_is_there_and_rubbish_does_not(connection, channel):
    connection._clock.us = 5
    channel.handlers["message"]("rubbish")
    assert connection.seen_us == 0
    channel.handlers["message"]("ping")
    assert connection.seen_us == 5


async def test_packets_become_sound_and_the_oldest_is_dropped_when_nobody_takes_it(connection):
    packet = OpusEncoder().encode(np.zeros(PACKET_SAMPLES, np.float32))
    for n in range(webrtc.MAX_WAITING_PACKETS + 3):
        connection._on_packet(n, n * 960, packet)
    assert connection.sound.qsize() == webrtc.MAX_WAITING_PACKETS
    assert connection.dropped_packets == 3


async def test_output_hands_sound_to_the_track_and_messages_to_the_channel(connection, channel):
    output = PeerTransport(connection).output()
    await connection.track.recv()  # somebody listens
    sound = SpeechOutputAudioRawFrame(bytes(2 * 1920), 24_000, 1)
    await output.process_frame(sound, FrameDirection.DOWNSTREAM)
    message = RTVIServerMessageFrame(data={"t": "word"})
    await output.process_frame(message, FrameDirection.DOWNSTREAM)
    assert connection.track.queued_ms == 80
    assert channel.sent[0]["data"] == {"t": "word"}


async def test_pipecat_finds_no_track_to_read(connection):
    tracks = (connection.audio_input_track, connection.video_input_track)
    assert [track() for track in (*tracks, connection.screen_video_input_track)] == [None] * 3


async def test_closing_twice_is_fine_and_says_no_goodbye(connection, goodbyes):
    await connection.close()
    await connection.close()
    assert goodbyes == []


async def test_agent_that_prepares_is_announced_once_it_is_ready(connection, channel):
    ready = asyncio.Event()
    announcing = asyncio.create_task(connection.announce_when(ready.wait()))
    await asyncio.sleep(0)
    ask = {"label": "rtvi-ai", "type": "client-ready", "id": "m1", "data": {}}
    connection._on_message(json.dumps(ask))
    assert channel.sent == []
    ready.set()
    await announcing
    assert [(message["type"], message["id"]) for message in channel.sent] == [("bot-ready", "m1")]


async def test_agent_that_is_ready_before_it_is_asked_says_so_when_asked(connection, channel):
    ready = asyncio.Event()
    ready.set()
    await connection.announce_when(ready.wait())
    assert channel.sent == []
    ask = {"label": "rtvi-ai", "type": "client-ready", "id": "m1", "data": {}}
    connection._on_message(json.dumps(ask))
    assert [message["type"] for message in channel.sent] == ["bot-ready"]
