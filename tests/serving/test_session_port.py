import asyncio
import dataclasses

import numpy as np
import pytest

from voiceagent.errors import SessionClosed
from voiceagent.serving.messages import (
    AgentFrame,
    Announce,
    SessionEnded,
    SessionKey,
    SessionReady,
    SoundPlayed,
)
from voiceagent.serving.session_port import MAX_WAITING_FRAMES, SessionPort

KEY = SessionKey("0" * 32, 0, 1)


class RecordingLink:
    def __init__(self):
        self.frames, self.closed, self.is_full = [], [], False
        self.played, self.announced = [], []
        self.send_played = self.played.append

    def send_frame(self, frame):
        self.frames.append(frame)
        return not self.is_full

    def send_announced(self, message):
        self.announced.append(message)
        return not self.is_full

    def send_close(self, key):
        self.closed.append(key)


@pytest.fixture
def link():
    return RecordingLink()


@pytest.fixture
def port(link, clock):
    return SessionPort(KEY, link, clock)


def answer(step, complete_us=0):
    pcm = np.zeros(1920, np.float32)
    return AgentFrame(
        *(KEY, step, complete_us, 5_000, " yes", None, 0.5, 0.25, 1.0), False, False, 0, pcm
    )


def read(port):
    """What can be read until the port ends, and the reason if it ended on the other side."""

    async def collect():
        frames = []
        try:
            async for frame in port.frames():
                frames.append(frame)
        except SessionClosed as error:
            return frames, str(error)
        return frames, None

    return asyncio.run(collect())


@pytest.mark.parametrize("piece", [1, 480, 1920, 5000])
def test_push_of_any_length_sends_whole_frames_stamped_with_the_time(port, link, clock, piece):
    pcm = np.arange(3 * 1920 + 100, dtype=np.float32)
    for begin in range(0, len(pcm), piece):
        port.push(pcm[begin : begin + piece])
    assert [frame.pcm[0] for frame in link.frames] == [0, 1920, 3840]
    assert {frame.complete_us for frame in link.frames} == {clock.now_us()}


def test_push_of_another_dtype_is_refused(port):
    with pytest.raises(ValueError, match="float32"):
        port.push(np.zeros(10))


def test_push_into_a_full_way_drops_the_frame_and_counts(port, link):
    link.is_full = True
    port.push(np.zeros(1920, np.float32))
    assert port.dropped_in_frames == 1


def test_frames_come_in_order_with_their_lag_and_end_with_the_reason(port, clock):
    port.deliver(answer(0, clock.now_us() - 12_000))
    port.deliver(answer(1))
    port.deliver(SessionEnded(KEY, "boom"))
    frames, reason = read(port)
    assert [(frame.step, frame.time_ms) for frame in frames] == [(0, 0), (1, 80)]
    assert (frames[0].lag_us, frames[0].step_us, frames[0].said) == (12_000, 5_000, " yes")
    assert reason == port.ended == "boom"


def test_frames_that_nobody_reads_are_dropped_oldest_first_and_counted(port):
    for step in range(MAX_WAITING_FRAMES + 3):
        port.deliver(answer(step))
    port.end("over")
    assert read(port)[0][0].step == port.dropped_out_frames == 3


def test_close_tells_the_engine_once_and_ends_the_reader_without_an_error(port, link):
    asyncio.run(port.close())
    asyncio.run(port.close())
    assert link.closed == [KEY]
    assert read(port) == ([], None)
    assert port.ended == "closed by this side"


def test_ended_port_neither_sends_nor_takes_anything(port, link):
    port.end("first")
    port.push(np.zeros(1920, np.float32))
    port.deliver(answer(0))
    port.end("second")
    asyncio.run(port.close())
    assert (link.frames, link.closed, read(port)) == ([], [], ([], "first"))


def test_reader_that_waits_is_woken_by_the_end(port):
    async def wait():
        reader = asyncio.create_task(anext(port.frames()))
        await asyncio.sleep(0)
        port.end("gone")
        await reader

    with pytest.raises(SessionClosed, match="gone"):
        asyncio.run(wait())


@pytest.mark.parametrize("word", [SessionReady(KEY), SessionEnded(KEY, "boom")])
def test_port_that_prepares_counts_sound_and_waits_for_the_engines_word(link, clock, word):
    port = SessionPort(KEY, link, clock, is_prompted=True, is_preparing=True)
    port.push(np.zeros(2000, np.float32))

    async def wait():
        waiting = asyncio.create_task(port.wait_ready())
        await asyncio.sleep(0)
        assert not waiting.done()
        port.deliver(word)
        await waiting

    asyncio.run(wait())
    port.push(np.zeros(1920, np.float32))
    assert (port.early_samples, port.is_preparing) == (2000, False)
    assert len(link.frames) == (port.ended is None)


def test_what_was_heard_is_reported_while_the_session_lives(port, link):
    port.played(640)
    port.end("over")
    port.played(720)
    assert link.played == [SoundPlayed(KEY, 640)]


def test_frame_carries_what_turn_taking_decided(port):
    decided = dataclasses.replace(answer(0), turn={"policy": "on"}, generation=3, is_flush=True)
    port.deliver(decided)
    port.end("over")
    (frame,), _ = read(port)
    assert (frame.turn, frame.generation, frame.is_flush) == ({"policy": "on"}, 3, True)


def test_an_announcement_goes_out_in_frames_with_its_words(link, port):
    assert port.announce(np.ones(1920 + 5, np.float32), "come in", is_held=False)
    first, second = link.announced
    assert (type(first), first.key, first.said, first.is_first) == (Announce, KEY, " come", True)
    assert (second.said, second.is_first, second.is_held) == (" in", False, False)
    assert second.pcm[4:6].tolist() == [1, 0]


def test_an_announcement_for_which_there_is_no_way_is_told(link, port):
    link.is_full = True
    assert not port.announce(np.ones(5000, np.float32), "come in")
    assert len(link.announced) == 1


def test_an_announcement_in_a_session_that_is_over_goes_nowhere(link, port):
    port.end("gone")
    assert not port.announce(np.ones(5000, np.float32))
    assert link.announced == []
