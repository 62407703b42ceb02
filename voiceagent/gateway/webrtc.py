"""One browser over Pipecat's SmallWebRTC, with the places mended where it loses audio time.

`PeerConnection` is the peer connection with our way in (`inbound`), our way out (`track`) and a
data channel with caps (`rtvi`); `PeerTransport` is the Pipecat transport around it. Sound passes
neither aiortc's jitter buffer nor Pipecat's output queue. Whose slot it is, and when it is over:
`connection`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable

import numpy as np
from aiortc import RTCDataChannel, RTCIceServer, RTCRtpTransceiver, RTCSessionDescription
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import (
    SmallWebRTCInputTransport,
    SmallWebRTCOutputTransport,
    SmallWebRTCTransport,
)

from voiceagent.audio.framing import PACKET_MS, SAMPLE_RATE_HZ, Samples
from voiceagent.audio.opus import from_int16, to_int16
from voiceagent.clock import Clock
from voiceagent.gateway import rtvi
from voiceagent.gateway.config import IceServer
from voiceagent.gateway.inbound import InboundAudio, attach
from voiceagent.gateway.offer import OfferRefused
from voiceagent.gateway.pipeline import AgentSoundFrame
from voiceagent.gateway.track import PlayoutTrack

#: Sound that may wait for the pipeline: 200 ms.
MAX_WAITING_PACKETS = 200 // PACKET_MS
#: A peer that does not read its data channel gets no more than this.
MAX_UNREAD_BYTES = 256 * 1024


class PeerConnection(SmallWebRTCConnection):
    """Next: `initialize` with the offer, `get_answer`, a `PeerTransport` around it, `close`."""

    def __init__(
        self,
        clock: Clock,
        ice_servers: Iterable[IceServer] = (),
        on_goodbye: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.messages = rtvi.ClientMessages(clock)
        self.inbound = InboundAudio()
        self.track = PlayoutTrack(clock)
        #: Sound from the peer on its way to the pipeline.
        self.sound: asyncio.Queue[Samples] = asyncio.Queue(MAX_WAITING_PACKETS)
        #: Packets that the pipeline did not take in time.
        self.dropped_packets = 0
        #: Messages to the peer that it did not read in time.
        self.dropped_messages = 0
        #: How much of the agent the peer says it has played.
        self.played_ms = 0
        #: Called with how much of the agent's sound it has had, whenever the peer reports.
        self.on_heard: Callable[[int], None] = lambda heard_ms: None
        #: Called with the reason when the peer is gone.
        self.on_goodbye = on_goodbye
        self._is_agent_ready = True
        self._asked: str | None = None
        self.seen_us = clock.now_us()
        self._clock = clock
        super().__init__([RTCIceServer(**dataclasses.asdict(server)) for server in ice_servers])

    def send(self, message: rtvi.Message) -> None:
        """Send a message over the data channel; kept until it is open, dropped if nobody reads."""
        channel = self._data_channel
        if channel is not None and channel.bufferedAmount > MAX_UNREAD_BYTES:
            self.dropped_messages += 1
            return
        self.send_app_message(message)

    async def close(self) -> None:
        """Close the peer connection; no effect the second time."""
        self.on_goodbye = lambda reason: None
        await self._close()  # type: ignore[no-untyped-call]

    async def announce_when(self, is_ready: Awaitable[None]) -> None:
        """Hold back the word that the agent is ready until it is."""
        self._is_agent_ready = False
        await is_ready
        self._is_agent_ready = True
        self._say_ready()

    def _say_ready(self) -> None:
        if self._is_agent_ready and self._asked is not None:
            self.send(rtvi.bot_ready(self._asked))
            self._asked = None

    def audio_input_track(self) -> None:
        """Pipecat finds no track to read: packets come by `inbound`."""

    def video_input_track(self) -> None:
        """There is no video."""

    def screen_video_input_track(self) -> None:
        """There is no video."""

    def _setup_listeners(self) -> None:
        super()._setup_listeners()  # type: ignore[no-untyped-call]
        # its handler parses any message of any size and logs what it cannot read
        self._pc.remove_all_listeners("datachannel")
        self._pc.on("datachannel", self._on_channel)
        self._pc.on("connectionstatechange", self._on_state)

    def _on_state(self) -> None:
        if self._pc.connectionState in ("closed", "failed"):
            self.on_goodbye(f"the connection is {self._pc.connectionState}")

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if self._data_channel is not None:
            self.messages.ignored += 1
            channel.close()
            return
        self._data_channel = channel
        channel.on("message", self._on_message)
        channel.on("open", self._flush_message_queue)
        if channel.readyState == "open":
            self._flush_message_queue()  # type: ignore[no-untyped-call]

    def _on_message(self, message: str | bytes) -> None:
        event = self.messages.receive(message)
        if event is None:
            return
        self.seen_us = self._clock.now_us()
        match event:
            case rtvi.ClientReady(request_id):
                self._asked = request_id
                self._say_ready()
            case rtvi.Playout(played_ms):
                self.played_ms = played_ms
                self.on_heard(self.track.heard_ms(played_ms))
            case rtvi.Goodbye():
                self.on_goodbye("the client hung up")

    def _on_packet(self, sequence: int, timestamp: int, payload: bytes) -> None:
        self.seen_us = self._clock.now_us()
        pcm = self.inbound.receive(sequence, timestamp, payload)
        if not pcm.size:
            return
        if self.sound.full():
            self.sound.get_nowait()
            self.dropped_packets += 1
        self.sound.put_nowait(pcm)

    async def _create_answer(self, sdp: str, type: str) -> None:  # pipecat's name
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type=type))
        for transceiver in self._pc.getTransceivers():
            self._take_transceiver(transceiver)
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        self._answer = self._pc.localDescription

    def _take_transceiver(self, transceiver: RTCRtpTransceiver) -> None:
        if transceiver.kind != "audio":
            transceiver.direction = "inactive"
            return
        codecs = [c for c in transceiver._codecs if c.mimeType.lower() == "audio/opus"]
        if not codecs:
            raise OfferRefused(400, "the audio track offers no Opus that can be used")
        transceiver._codecs = codecs
        transceiver.direction = "sendrecv"
        transceiver.sender.replaceTrack(self.track)
        attach(transceiver.receiver, self._on_packet)


class _PeerInput(SmallWebRTCInputTransport):
    """Hands the peer's sound to the pipeline, 24 kHz mono, as it comes."""

    def __init__(self, transport: PeerTransport) -> None:
        super().__init__(transport._client, transport._params)
        self._sound = transport.connection.sound

    async def _receive_audio(self) -> None:
        while not self._sound.empty():  # what came before the pipeline was there is the past
            self._sound.get_nowait()
        while True:
            pcm = to_int16(await self._sound.get())
            await self.push_frame(InputAudioRawFrame(pcm.tobytes(), SAMPLE_RATE_HZ, 1))


class _PeerOutput(SmallWebRTCOutputTransport):
    """Hands sound straight to the track and messages straight to the data channel."""

    def __init__(self, transport: PeerTransport) -> None:
        super().__init__(transport._client, transport._params)
        self._connection = transport.connection

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        match frame:
            case AgentSoundFrame(step=step, generation=generation):
                self._connection.track.push(_samples(frame), step, generation)
            case OutputAudioRawFrame():
                self._connection.track.push(_samples(frame))
            case RTVIServerMessageFrame():
                self._connection.send(rtvi.server_message(frame.data))
            case _:
                await super().process_frame(frame, direction)


def _samples(frame: OutputAudioRawFrame) -> Samples:
    return from_int16(np.frombuffer(frame.audio, np.int16))


class PeerTransport(SmallWebRTCTransport):
    """Next: `input()` and `output()` into a pipeline. Its output takes 24 kHz mono only."""

    def __init__(self, connection: PeerConnection) -> None:
        # the track is the connection's: Pipecat shall not make one, nor resample
        params = TransportParams(
            audio_in_enabled=True,
            audio_in_sample_rate=SAMPLE_RATE_HZ,
            audio_out_enabled=False,
            audio_out_sample_rate=SAMPLE_RATE_HZ,
        )
        super().__init__(connection, params)
        self.connection = connection
        self._input = _PeerInput(self)
        self._output = _PeerOutput(self)
