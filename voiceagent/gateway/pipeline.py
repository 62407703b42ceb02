"""The model as a Pipecat processor: put `FullDuplexService` into any Pipecat pipeline.

Takes, downstream:
    InputAudioRawFrame  16 bits, any rate and number of channels, any length, at real-time pace;
        consumed. 24 kHz mono in steps of 20 ms needs no conversion and waits least.
    all others are passed on.
Emits, downstream, from its start until its end:
    AgentSoundFrame  a SpeechOutputAudioRawFrame: the agent without a pause, silence included:
        24 kHz, mono, 16 bits, 80 ms each, 12.5 a second; not interruptible, and an
        InterruptionFrame is never emitted. Where its `generation` is newer than that of the sound
        before it, whoever plays it shall drop what still waits.
    TranscriptionFrame  a word of the user, as the model understood it.
    TTSTextFrame  a word of the agent, when it begins to be spoken.
    RTVIServerMessageFrame  both again for the browser, with their time (`rtvi.word`), and
        `rtvi.ended` when the engine ends the conversation, followed by an ErrorFrame upstream.

Set `audio_in_sample_rate=24000` and `audio_out_sample_rate=24000` on the pipeline, and
`idle_timeout_secs=None` on its worker, else Pipecat ends a silent conversation after five minutes.
The model runs in the engine process: nothing here takes longer than a packet.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable

import numpy as np
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    SpeechOutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.utils.time import time_now_iso8601

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.audio.opus import from_int16, to_int16
from voiceagent.errors import SessionClosed
from voiceagent.gateway import rtvi
from voiceagent.gateway.recording import RecordedPort
from voiceagent.gateway.resample import Resampler
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.ports import (
    EngineClient,
    PortClient,
    PortFrame,
    SessionOptions,
    SessionPort,
)
from voiceagent.serving.supervisor import EngineProcess

USER_ID = "user"


@dataclasses.dataclass
class AgentSoundFrame(SpeechOutputAudioRawFrame):
    """80 ms of the agent.

    Attributes:
        step: 0 for the first of the session.
        generation: grows whenever what was sent before is void.
    """

    step: int = 0
    generation: int = 0


class FullDuplexService(FrameProcessor):
    """See the module's docstring for the frames that it takes and emits.

    Event handlers: `on_ended(service, reason)`, when the engine ends the conversation.
    """

    def __init__(
        self,
        model: str = "nano",
        engine: str | PortClient | EngineProcess | None = None,
        *,
        options: SessionOptions | None = None,
        port: SessionPort | RecordedPort | None = None,
        on_frame: Callable[[PortFrame], None] | None = None,
    ) -> None:
        """Nothing is started or joined before the pipeline is set up.

        Args:
            model: "nano" or a model folder, for an engine process of its own.
            engine: what to join instead: an address, a client, or an engine process that runs.
            options: how the session's tokens are chosen.
            port: a session that is open already; whoever opened it closes it.
            on_frame: called with each frame of the engine, for measuring.
        """
        super().__init__(name="FullDuplexService", enable_direct_mode=True)
        self._model = model
        self._engine = engine
        self._options = options
        self._port: SessionPort | RecordedPort | None = port
        self._on_frame = on_frame
        self._owned = contextlib.AsyncExitStack()
        self._speaker: asyncio.Task[None] | None = None
        self._resampler = Resampler(SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)
        self._register_event_handler("on_ended")

    async def setup(  # type: ignore[override]  # as every pipecat processor
        self, setup: FrameProcessorSetup
    ) -> None:
        """Called by the pipeline: join or start the engine and take a slot.

        Raises:
            AtCapacity: every slot is taken.
            EngineUnavailable: the engine does not answer or did not start.
        """
        await super().setup(setup)
        if self._port is None:
            await self._open_port()

    async def _open_port(self) -> None:
        try:
            port = await (await self._client()).open(self._options)
        except BaseException:
            await self._owned.aclose()
            raise
        self._port = port
        self._owned.push_async_callback(port.close)

    async def cleanup(self) -> None:
        """Called by the pipeline: leave the session and stop what was started."""
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._stop()
        await self._owned.aclose()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Called by the pipeline for each of its frames."""
        await super().process_frame(frame, direction)
        match frame:
            case StartFrame():
                await self.push_frame(frame, direction)
                self._speaker = self.create_task(self._speak(), "speak")
            case EndFrame() | CancelFrame():
                await self._stop()
                await self.push_frame(frame, direction)
            case InputAudioRawFrame() if direction is FrameDirection.DOWNSTREAM:
                self._hear(frame)
            case _:
                await self.push_frame(frame, direction)

    async def _client(self) -> PortClient:
        engine = self._engine
        if engine is None:
            # a pipeline under development runs on, stuttering, where the machine is too slow
            config = EngineConfig(allow_slow=True)
            engine = EngineProcess(config, model=self._model, keep_spare=False)
            await self._owned.enter_async_context(engine)
        if isinstance(engine, EngineProcess):
            engine = engine.address
        if not isinstance(engine, str):
            return engine
        return await self._owned.enter_async_context(EngineClient.connect(engine))

    def _hear(self, frame: InputAudioRawFrame) -> None:
        if self._port is None:
            return
        pcm = samples(frame)
        if frame.sample_rate != self._resampler.from_hz:
            self._resampler = Resampler(frame.sample_rate, SAMPLE_RATE_HZ)
        self._port.push(self._resampler.push(pcm))

    async def _speak(self) -> None:
        assert self._port is not None, "setup opens a session before the pipeline starts"
        try:
            async for frame in self._port.frames():
                if self._on_frame:
                    self._on_frame(frame)
                for pipecat_frame in to_pipecat(frame):
                    await self.push_frame(pipecat_frame)
        except SessionClosed as closed:
            await self._end(str(closed))

    async def _end(self, reason: str) -> None:
        await self.push_frame(RTVIServerMessageFrame(data=rtvi.ended(reason)))
        await self._call_event_handler("on_ended", reason)
        await self.push_error(f"the engine ended the conversation: {reason}")

    async def _stop(self) -> None:
        speaker, self._speaker = self._speaker, None
        if speaker and speaker is not asyncio.current_task():
            await self.cancel_task(speaker)


def samples(frame: InputAudioRawFrame) -> Samples:
    """Sound of a Pipecat frame: float32 [N] at its own rate, its channels mixed to one."""
    pcm = from_int16(np.frombuffer(frame.audio[: len(frame.audio) // 2 * 2], np.int16))
    if frame.num_channels == 1:
        return pcm
    whole = pcm[: pcm.size // frame.num_channels * frame.num_channels]
    return whole.reshape(-1, frame.num_channels).mean(axis=1, dtype=np.float32)


def to_pipecat(frame: PortFrame) -> list[Frame]:
    """What a frame of the engine is for a pipeline: its sound first, then its words."""
    sound = AgentSoundFrame(
        to_int16(frame.pcm).tobytes(),
        SAMPLE_RATE_HZ,
        1,
        step=frame.step,
        generation=frame.generation,
    )
    sound.interruptible = False
    frames: list[Frame] = [sound]
    if frame.heard is not None:
        frames.append(RTVIServerMessageFrame(data=rtvi.word("user", frame.heard, frame.time_ms)))
        heard = TranscriptionFrame(frame.heard, USER_ID, time_now_iso8601())
        heard.includes_inter_frame_spaces = True
        frames.append(heard)
    if frame.said is not None:
        frames.append(RTVIServerMessageFrame(data=rtvi.word("agent", frame.said, frame.time_ms)))
        said = TTSTextFrame(frame.said, TextType.WORD)
        said.includes_inter_frame_spaces = True
        frames.append(said)
    return frames
