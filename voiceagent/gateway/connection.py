"""One peer and its conversation: one task group, one slot, one reason for the end.

Whatever ends it (the peer hangs up or vanishes, the engine dies, the gateway stops, a bug), the
slot is given back first, then the pipeline and the peer connection are closed. Section 4: between
`webrtc` and `serving.ports`. Not here: who may connect (`admission`), the list of peers (`peers`).
"""

from __future__ import annotations

import asyncio
import logging

from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.workers.runner import WorkerRunner

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.clock import Clock
from voiceagent.gateway import rtvi
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.live import LiveAxes
from voiceagent.gateway.pipeline import FullDuplexService
from voiceagent.gateway.recording import RecordedPort
from voiceagent.gateway.webrtc import PeerConnection, PeerTransport
from voiceagent.serving.ports import PortFrame, SessionPort

STATS_EVERY_S = 1.0
AXES_EVERY_S = 1.0
WATCH_EVERY_S = 0.25
#: The last message may take this long to reach the peer before the channel is closed.
LAST_WORDS_S = 0.1
PIPELINE_CLOSE_S = 3.0

_log = logging.getLogger(__name__)


class Peer:
    """Next: `run`, once; `end` from anywhere."""

    def __init__(
        self,
        connection: PeerConnection,
        port: SessionPort | RecordedPort,
        config: GatewayConfig,
        clock: Clock,
        live: LiveAxes | None = None,
    ) -> None:
        """Without `live`, nobody is told how the conversation goes while it goes on."""
        self.connection = connection
        self.port = port
        self.frames = 0
        self.step_us = 0
        self.lag_us = 0
        self._config = config
        self._clock = clock
        self._live = live
        self._begin_us = clock.now_us()
        self._reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        connection.on_goodbye = self.end
        connection.on_heard = port.played

    @property
    def dropped_frames(self) -> int:
        """80 ms frames' worth of sound lost to full queues, both ways."""
        out_samples = self.connection.track.counts.dropped_samples
        packets = self.connection.dropped_packets
        return (
            self.port.dropped_in_frames
            + self.port.dropped_out_frames
            + (packets + 3) // 4
            + out_samples // (SAMPLE_RATE_HZ * 80 // 1000)
        )

    def end(self, reason: str) -> None:
        """End the conversation; the first reason stays."""
        if not self._reason.done():
            self._reason.set_result(reason)

    async def run(self) -> str:
        """Hold the conversation until it is over; returns why it ended."""
        service = FullDuplexService(port=self.port, on_frame=self._on_frame)

        service.add_event_handler("on_ended", self._on_engine_ended)
        runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
        news = None
        if self._live is not None and isinstance(self.port, RecordedPort):
            news = self.tell_axes(self.port, self._live)
        try:
            await runner.add_workers(self._worker(service))
            async with asyncio.TaskGroup() as group:
                pipeline = group.create_task(runner.run(), name="peer pipeline")
                pipeline.add_done_callback(lambda task: self.end("the pipeline ended"))
                tasks = [
                    group.create_task(self._send_stats(), name="peer stats"),
                    group.create_task(self._watch(), name="peer watch"),
                ]
                if self.port.is_preparing:
                    readiness = self.connection.announce_when(self.port.wait_ready())
                    tasks.append(group.create_task(readiness, name="peer readiness"))
                reason = await asyncio.shield(self._reason)
                for task in tasks:
                    task.cancel()
                await self._say_goodbye(reason)
                await runner.cancel(reason)
            return reason
        finally:
            if news is not None:
                news.cancel()
            await self.port.close()
            await self.connection.close()

    def tell_axes(self, port: RecordedPort, live: LiveAxes) -> asyncio.Task[None]:
        """Begin to say how it goes. Outside the group: an estimate that fails ends no call."""
        task = asyncio.create_task(self._send_axes(port, live), name="peer axes")
        task.add_done_callback(_log_failure)
        return task

    def stats(self) -> rtvi.Message:
        """How the session does now."""
        queued_ms = self.connection.track.queued_ms
        return rtvi.stats(self.step_us, self.lag_us, queued_ms, self.dropped_frames)

    def _worker(self, service: FullDuplexService) -> PipelineWorker:
        transport = PeerTransport(self.connection)
        return PipelineWorker(
            Pipeline([transport.input(), service, transport.output()]),
            params=PipelineParams(
                audio_in_sample_rate=SAMPLE_RATE_HZ, audio_out_sample_rate=SAMPLE_RATE_HZ
            ),
            # a client of ours cannot interrupt, and a silent conversation goes on
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
            cancel_timeout_secs=PIPELINE_CLOSE_S,
            check_dangling_tasks=False,
        )

    def _on_frame(self, frame: PortFrame) -> None:
        self.frames += 1
        self.step_us, self.lag_us = frame.step_us, frame.lag_us

    async def _on_engine_ended(self, service: FullDuplexService, reason: str) -> None:
        self.end(f"engine: {reason}")

    async def _say_goodbye(self, reason: str) -> None:
        await self.port.close()
        if self.connection.pc.connectionState == "connected":
            self.connection.send(rtvi.server_message(rtvi.ended(reason)))
            await asyncio.sleep(LAST_WORDS_S)

    async def _send_stats(self) -> None:
        while True:
            await asyncio.sleep(STATS_EVERY_S)
            self.connection.send(rtvi.server_message(self.stats()))

    async def _send_axes(self, port: RecordedPort, live: LiveAxes) -> None:
        while True:
            await asyncio.sleep(AXES_EVERY_S)
            found = await live.measure(lambda: port.measurement(self.dropped_frames))
            message = rtvi.axes(found.brief(), port.floor.holder, port.floor.state)
            self.connection.send(rtvi.server_message(message))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            if reason := self.overdue():
                self.end(reason)

    def overdue(self) -> str | None:
        """Why the conversation must end by the clock; None while it may go on."""
        now_us = self._clock.now_us()
        age_s = (now_us - self._begin_us) / 1e6
        unseen_s = (now_us - self.connection.seen_us) / 1e6
        if self.connection.pc.connectionState != "connected":
            limit_s = self._config.connect_timeout_s
            return f"not connected within {limit_s:g} s" if age_s > limit_s else None
        if unseen_s > self._config.vanish_after_s:
            return f"the client vanished: nothing heard for {self._config.vanish_after_s:g} s"
        if age_s > self._config.max_session_s:
            return f"longer than {self._config.max_session_s:g} s"
        return None


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("%s failed", task.get_name(), exc_info=error)
