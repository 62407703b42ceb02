"""A recording said in real time and heard as a listener would, on a clock that only sleep moves."""

import asyncio
import contextlib

import numpy as np
import pytest

from voiceagent.bench.targets.base import Call
from voiceagent.bench.targets.live import (
    LEAD_SAMPLES,
    MAX_WAITING_SAMPLES,
    Ears,
    Line,
    check_url,
    hold,
)
from voiceagent.errors import ConfigError, TargetError

PACKET = 1920
PACKET_US = 80_000


class SleepingClock:
    """Time passes only where somebody sleeps."""

    def __init__(self):
        self.us = 0
        self.sleeps = 0

    def now_us(self):
        return self.us

    async def sleep(self, seconds):
        self.us += round(seconds * 1e6)
        self.sleeps += 1


@pytest.fixture
def clock():
    return SleepingClock()


@pytest.fixture
def line(clock):
    return Line(clock=clock, sleep=clock.sleep, stall_s=1.0)


@pytest.fixture
def ears(line):
    ears = Ears("agent", 24_000, line)
    ears.begin()
    return ears


def talk(line, say, packets=5, rest=0, on_seconds=lambda seconds: None):
    """Hold a conversation in which `say(ears, packet)` is the other side."""

    @contextlib.asynccontextmanager
    async def join(ears):
        async def said(packet):
            say(ears, packet)

        yield said

    user = np.linspace(0.1, 1, packets * PACKET - rest, dtype=np.float32)
    return user, asyncio.run(hold("agent", join, Call("a", user), PACKET, on_seconds, line))


def test_what_is_echoed_is_heard_a_packet_and_the_buffer_later(line):
    user, reply = talk(line, Ears.hear)
    delay = PACKET + LEAD_SAMPLES
    assert not reply.agent[:delay].any()
    np.testing.assert_array_equal(reply.agent[delay:], user[:-delay])


def test_the_reply_is_as_long_as_the_recording_and_has_its_key(line):
    user, reply = talk(line, Ears.hear, rest=700)
    assert (reply.key, len(reply.agent)) == ("a", len(user))


def test_packets_are_said_when_they_are_complete(line, clock):
    times = []
    talk(line, lambda ears, packet: times.append(clock.us) or ears.hear(packet))
    assert times == [number * PACKET_US for number in range(1, 6)]


def test_progress_is_told_in_seconds(line):
    told = []
    talk(line, Ears.hear, on_seconds=told.append)
    assert sum(told) == pytest.approx(0.4)


def test_an_agent_that_sends_nothing_has_stalled(line):
    with pytest.raises(TargetError, match=r"agent: it sent no sound for 1 s \(1.0 s into"):
        talk(line, lambda ears, packet: None, packets=20)


def test_an_agent_that_falls_quiet_has_stalled(line):
    def say(ears, packet):
        if ears.now < 12_000:
            ears.hear(packet)

    with pytest.raises(TargetError, match=r"no sound for 1 s \(1.5 s into"):
        talk(line, say, packets=30)


def test_an_agent_that_takes_no_sound_has_stalled(clock):
    @contextlib.asynccontextmanager
    async def join(ears):
        yield lambda packet: asyncio.sleep(60)

    line = Line(clock=clock, sleep=clock.sleep, stall_s=0.02)
    call = Call("a", np.zeros(480, np.float32))
    with pytest.raises(TargetError, match=r"it took no sound for 0.02 s"):
        asyncio.run(hold("agent", join, call, 480, lambda seconds: None, line))


def test_an_agent_that_sent_nothing_in_a_short_conversation_did_not_take_part(line):
    with pytest.raises(TargetError, match="it sent no sound at all"):
        talk(line, lambda ears, packet: None)


def test_an_agent_that_goes_ends_the_conversation_with_its_first_reason(line):
    def say(ears, packet):
        ears.fail("it closed the connection")
        ears.fail("and broke")

    with pytest.raises(TargetError, match="it closed the connection") as failed:
        talk(line, say)
    assert (failed.value.target, failed.value.at_s) == ("agent", 0.16)


def test_an_agent_that_goes_at_the_very_end_has_gone(line):
    def say(ears, packet):
        ears.hear(packet)
        if ears.now >= 5 * PACKET:
            ears.fail("it closed the connection")

    with pytest.raises(TargetError, match="closed"):
        talk(line, say)


def test_a_machine_too_busy_to_measure_says_so(line, clock):
    def say(ears, packet):
        ears.hear(packet)
        clock.us += 2_000_000

    with pytest.raises(TargetError, match=r"too busy to measure: it was 1.9 s late"):
        talk(line, say)


def test_on_a_late_machine_what_comes_is_heard_all_the_same(line, clock):
    def say(ears, packet):
        ears.hear(packet)
        clock.us += 100_000

    talk(line, say)
    assert clock.sleeps >= 5


def test_a_packet_a_little_late_leaves_no_hole(ears, clock):
    for clock.us in (0, 95_000, 160_000):
        ears.hear(np.ones(PACKET, np.float32))
    heard = ears.reply("a").agent
    assert heard[LEAD_SAMPLES:][: 3 * PACKET].all()


def test_sound_after_a_gap_starts_when_it_comes(ears, clock):
    ears.hear(np.ones(PACKET, np.float32))
    clock.us = 500_000
    ears.hear(np.ones(PACKET, np.float32))
    heard = ears.reply("a").agent
    assert not heard[LEAD_SAMPLES + PACKET : 12_000 + LEAD_SAMPLES].any()
    assert heard[12_000 + LEAD_SAMPLES :][:PACKET].all()


def test_of_sound_that_comes_in_a_burst_the_oldest_is_left_out(ears, clock):
    ramp = np.arange(1, 10 * PACKET + 1, dtype=np.float32)
    for packet in ramp.reshape(-1, PACKET):
        ears.hear(packet)
    heard = ears.reply("a").agent
    np.testing.assert_array_equal(heard[:MAX_WAITING_SAMPLES], ramp[-MAX_WAITING_SAMPLES:])
    assert not heard[MAX_WAITING_SAMPLES:].any()


def test_one_message_of_a_long_burst_is_cut_as_well(ears):
    ramp = np.arange(1, 10 * PACKET + 1, dtype=np.float32)
    ears.hear(ramp)
    np.testing.assert_array_equal(ears.reply("a").agent[:MAX_WAITING_SAMPLES], ramp[-5760:])


def test_what_was_heard_already_stays_when_a_burst_comes(ears, clock):
    ears.hear(np.full(PACKET, 1, np.float32))
    clock.us = 60_000
    ears.hear(np.full(4 * PACKET, 2, np.float32))
    heard = ears.reply("a").agent
    assert (heard[LEAD_SAMPLES:1440] == 1).all()
    assert (heard[1440 : 1440 + MAX_WAITING_SAMPLES] == 2).all()


def test_sound_and_text_from_before_the_beginning_are_the_past(line):
    ears = Ears("agent", 24_000, line)
    ears.hear(np.ones(PACKET, np.float32))
    ears.read("hello")
    ears.begin()
    ears.hear(np.zeros(PACKET, np.float32))
    reply = ears.reply("a")
    assert (reply.words, reply.agent.any()) == ((), False)


def test_pieces_of_text_become_words_with_the_time_of_their_first(ears, clock):
    for clock.us, piece in enumerate([" hel", "lo", " ", "you", " ", "", "there", "."]):
        clock.us *= 100_000
        ears.read(piece)
    ears.hear(np.zeros(PACKET, np.float32))
    words = ears.reply("a").words
    assert [(word.text, word.start_s) for word in words] == [
        ("hello", 0.0),
        ("you", 0.3),
        ("there.", 0.6),
    ]


@pytest.mark.parametrize("url", ["ws://x", "ws://x:80/y", "wss://[::1]:80"])
def test_an_address_is_accepted(url):
    assert check_url(url, ("ws", "wss")).geturl() == url


@pytest.mark.parametrize("url", ["x", "ftp://x", "ws://", "ws://:80", "ws://x:y", "ws://x:70000"])
def test_what_is_no_address_is_refused_with_those_that_are(url):
    with pytest.raises(ConfigError, match="expected a ws://HOST:PORT or a wss://HOST:PORT"):
        check_url(url, ("ws", "wss"), "a ")
