"""The servers that `bench_loop` compares: each gives a caller's sound back in frames of 80 ms.

    control   aiortc alone, all its defaults: `RTCPeerConnection`, its jitter buffer, its decoder,
              its 48 kHz stereo Opus. The track it sends collects four decoded packets of 20 ms and
              then gives them back one at a time, each 20 ms after the one before, or at once when
              it is late; no silence is put in and nothing is dropped.
    gateway   `voiceagent.gateway.server.serve` with the echo engine in its process, as
              `voiceagent serve` runs it.
    pipecat   `SmallWebRTCTransport` with sound in and out switched on and all else its default,
              24 kHz both ways so that nothing is resampled, and between them a processor that
              collects 80 ms and gives them back as one SpeechOutputAudioRawFrame.

Usage: python loop_servers.py NAME; prints its port when it can be called, ends with SIGTERM. All
three listen on loopback only, answer POST /api/offer, and log errors to stderr.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from fractions import Fraction

import av
import uvicorn
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from fastapi import FastAPI
from pipecat.frames.frames import Frame, InputAudioRawFrame, SpeechOutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.workers.runner import WorkerRunner

from voiceagent.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.ice import LOOPBACK, configure_ice
from voiceagent.gateway.server import serve
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.supervisor import EngineProcess

CONFIG = GatewayConfig(port=0, media_addresses=(LOOPBACK,))
PACKETS_PER_FRAME = 4
PACKET_S = 0.02
FRAME_BYTES = 2 * FRAME_SAMPLES

Answer = Callable[[dict[str, str]], Awaitable[dict[str, str]]]


class EchoTrack(MediaStreamTrack):
    """The control's way back."""

    kind = "audio"

    def __init__(self, source: MediaStreamTrack) -> None:
        super().__init__()
        self._source = source
        self._frame: list[av.AudioFrame] = []
        self._due_s: float | None = None
        self._pts = 0

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms."""
        if not self._frame:
            self._frame = [await self._source.recv() for _ in range(PACKETS_PER_FRAME)]
        now_s = asyncio.get_running_loop().time()
        self._due_s = now_s if self._due_s is None else self._due_s + PACKET_S
        await asyncio.sleep(max(0, self._due_s - now_s))
        packet = self._frame.pop(0)
        packet.pts, packet.time_base = self._pts, Fraction(1, packet.sample_rate)
        self._pts += packet.samples
        return packet


class Echo(FrameProcessor):
    """Pipecat's model: 80 ms in, the same 80 ms out."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = b""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Collect sound; pass all else on."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)
            return
        self._heard += frame.audio
        while len(self._heard) >= FRAME_BYTES:
            sound, self._heard = self._heard[:FRAME_BYTES], self._heard[FRAME_BYTES:]
            await self.push_frame(SpeechOutputAudioRawFrame(sound, SAMPLE_RATE_HZ, 1))


class Control:
    """aiortc alone."""

    def __init__(self) -> None:
        self._peers: set[RTCPeerConnection] = set()

    async def answer(self, offer: dict[str, str]) -> dict[str, str]:
        """Take a call."""
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.add(pc)
        pc.on("track", lambda track: pc.addTrack(EchoTrack(track)))
        pc.on("connectionstatechange", lambda: self._forget(pc))
        await pc.setRemoteDescription(RTCSessionDescription(offer["sdp"], offer["type"]))
        await pc.setLocalDescription(await pc.createAnswer())
        return {"sdp": pc.localDescription.sdp, "type": pc.localDescription.type}

    async def _forget(self, pc: RTCPeerConnection) -> None:
        if pc.connectionState in ("closed", "failed"):
            self._peers.discard(pc)
            await pc.close()


class Stock:
    """Pipecat with its own transport."""

    def __init__(self) -> None:
        self._calls: set[asyncio.Task[None]] = set()

    async def answer(self, offer: dict[str, str]) -> dict[str, str]:
        """Take a call."""
        connection = SmallWebRTCConnection()
        await connection.initialize(offer["sdp"], offer["type"])
        self._calls.add(call := asyncio.create_task(self._hold(connection)))
        call.add_done_callback(self._calls.discard)
        return connection.get_answer()

    async def _hold(self, connection: SmallWebRTCConnection) -> None:
        params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
        transport = SmallWebRTCTransport(connection, params)
        worker = PipelineWorker(
            Pipeline([transport.input(), Echo(), transport.output()]),
            params=PipelineParams(
                audio_in_sample_rate=SAMPLE_RATE_HZ, audio_out_sample_rate=SAMPLE_RATE_HZ
            ),
        )

        @transport.event_handler("on_client_disconnected")
        async def leave(transport: object, client: object) -> None:
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()


async def serve_answers(answer: Answer, stop: asyncio.Event) -> None:
    """Answer offers until `stop`."""
    configure_ice(CONFIG)
    app = FastAPI()
    app.post("/api/offer")(answer)
    server = uvicorn.Server(
        uvicorn.Config(app, host=LOOPBACK, port=0, log_config=None, access_log=False)
    )
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn does not say when
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.should_exit = True
    await running


async def serve_gateway(stop: asyncio.Event) -> None:
    """Serve with the echo engine until `stop`."""
    engine = EngineProcess(EngineConfig(num_slots=2), is_echo=True)
    await serve(CONFIG, engine, on_ready=lambda port: print(port, flush=True), stop=stop)


async def main(name: str) -> None:
    """Run a server of this name until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    match name:
        case "control":
            await serve_answers(Control().answer, stop)
        case "gateway":
            await serve_gateway(stop)
        case "pipecat":
            await serve_answers(Stock().answer, stop)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("control", "gateway", "pipecat"):
        sys.exit(__doc__)
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(main(sys.argv[1]))
