import asyncio
import dataclasses

import numpy as np
import pytest
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    SpeechOutputAudioRawFrame,
    TranscriptionFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.workers.runner import WorkerRunner

from voiceagent.audio.framing import FRAME_SAMPLES, PACKET_SAMPLES
from voiceagent.clock import MonotonicClock
from voiceagent.errors import AtCapacity
from voiceagent.gateway.pipeline import FullDuplexService, samples, to_pipecat
from voiceagent.serving.messages import AgentFrame, SessionEnded, SessionKey, UserFrame
from voiceagent.serving.ports import SessionPort

KEY = SessionKey("0" * 32, 0, 1)


class EchoLink:
    """The engine's place: gives each frame back with two words, or ends the session."""

    def __init__(self):
        self.port = SessionPort(KEY, self, MonotonicClock())
        self.steps = 0
        self.ends_after = None
        self.closed = 0

    def send_frame(self, frame):
        if self.steps == self.ends_after:
            self.port.deliver(SessionEnded(KEY, "the engine died"))
        reply = AgentFrame(
            *(KEY, self.steps, frame.complete_us, 10, " three", " what", 0.5, 0.5, 0.1, False),
            *(False, 0, frame.pcm),
        )
        self.steps += 1
        self.port.deliver(reply)
        return True

    def send_close(self, key):
        self.closed += 1

    async def open(self, options=None):
        return self.port


class Collector(FrameProcessor):
    """The end of a pipeline; ends it after so many frames of sound."""

    def __init__(self, count):
        super().__init__(enable_direct_mode=True)
        self.frames, self.missing = [], count
        self.enough = asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        self.missing -= isinstance(frame, SpeechOutputAudioRawFrame)
        if self.missing <= 0:
            self.enough.set()
        await self.push_frame(frame, direction)

    def of(self, kind):
        return [frame for frame in self.frames if isinstance(frame, kind)]


def converse(service, sounds, count):
    """Run sounds through a pipeline of the service alone until `count` frames came out."""
    collector = Collector(count)
    asyncio.run(_converse(service, collector, sounds))
    return collector


async def _converse(service, collector, sounds):
    worker = PipelineWorker(
        Pipeline([service, collector]),
        params=PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000),
        enable_rtvi=False,
        idle_timeout_secs=None,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await worker.queue_frames(sounds)
    async with asyncio.timeout(10):
        await collector.enough.wait()
        await worker.queue_frame(EndFrame())
        await running


def packets(count, rate=24_000, channels=1):
    part = (np.arange(rate // 50) % 100 * 100).astype(np.int16).repeat(channels).tobytes()
    return [InputAudioRawFrame(part, rate, channels) for _ in range(count)]


@pytest.fixture
def link():
    return EchoLink()


def test_four_packets_in_are_one_frame_of_sound_and_its_words_out(link):
    out = converse(FullDuplexService(engine=link), packets(8), 2)
    sounds = out.of(SpeechOutputAudioRawFrame)
    assert [len(sound.audio) for sound in sounds] == [FRAME_SAMPLES * 2] * 2
    assert {(s.sample_rate, s.num_channels, s.interruptible) for s in sounds} == {
        (24_000, 1, False)
    }
    assert [frame.text for frame in out.of(TranscriptionFrame)] == [" what", " what"]
    assert [frame.text for frame in out.of(TTSTextFrame)] == [" three", " three"]


def test_words_for_the_browser_carry_side_and_time(link):
    out = converse(FullDuplexService(engine=link), packets(8), 2)
    assert [frame.data for frame in out.of(RTVIServerMessageFrame)][2:] == [
        {"t": "word", "side": "user", "text": " what", "time_ms": 80},
        {"t": "word", "side": "agent", "text": " three", "time_ms": 80},
    ]


def test_sound_of_the_user_is_consumed_and_nothing_ever_interrupts(link):
    out = converse(FullDuplexService(engine=link), packets(4), 1)
    assert out.of(InputAudioRawFrame) == out.of(InterruptionFrame) == []


def test_at_the_end_a_session_that_it_opened_is_closed(link):
    converse(FullDuplexService(engine=link), packets(4), 1)
    assert link.closed == 1


def test_a_session_that_was_handed_in_is_left_open(link):
    converse(FullDuplexService(port=link.port), packets(4), 1)
    assert link.closed == 0


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (16_000, 1), (8_000, 1)])
def test_other_rates_and_channels_are_converted(link, rate, channels):
    out = converse(FullDuplexService(engine=link), packets(9, rate, channels), 2)
    assert len(out.of(SpeechOutputAudioRawFrame)) == 2


def test_when_the_engine_ends_the_session_the_browser_and_the_pipeline_are_told(link):
    link.ends_after, reasons, errors = 1, [], []
    service = FullDuplexService(engine=link)

    async def on_ended(service, reason):
        reasons.append(reason)

    async def on_error(service, frame):
        errors.append(frame)

    service.add_event_handler("on_ended", on_ended)
    service.add_event_handler("on_error", on_error)
    # the second frame ends the session, so one of sound and the last message come out
    out = converse(service, packets(8), 1)
    assert reasons == ["the engine died"]
    assert out.of(RTVIServerMessageFrame)[-1].data == {"t": "ended", "reason": "the engine died"}
    assert isinstance(errors[0], ErrorFrame)


def test_setup_without_a_free_slot_raises_what_the_engine_said():
    class Full:
        async def open(self, options=None):
            raise AtCapacity(1, 5.0)

    service = FullDuplexService(engine=Full())
    with pytest.raises(AtCapacity):
        asyncio.run(service._open_port())


def test_samples_of_an_odd_number_of_bytes_lose_the_last():
    assert samples(InputAudioRawFrame(b"\0" * 7, 24_000, 1)).shape == (3,)


def test_channels_are_mixed_to_one():
    pcm = np.array([16384, 0, 16384, 0], np.int16).tobytes()
    assert samples(InputAudioRawFrame(pcm, 24_000, 2)).tolist() == [0.25, 0.25]


def test_a_frame_without_words_is_sound_alone(link):
    link.send_frame(UserFrame(KEY, 0, np.zeros(FRAME_SAMPLES, np.float32)))
    frame = link.port._waiting[0]
    silent = dataclasses.replace(frame, said=None, heard=None, generation=7)
    (sound,) = to_pipecat(silent)
    assert isinstance(sound, SpeechOutputAudioRawFrame)
    assert (sound.step, sound.generation, sound.interruptible) == (frame.step, 7, False)


def test_one_packet_is_a_quarter_of_a_frame():
    assert FRAME_SAMPLES == 4 * PACKET_SAMPLES
