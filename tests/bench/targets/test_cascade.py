"""The cascade: its rules, its turns on a clock that stands, and the real parts together."""

import datetime

import numpy as np
import pytest

from voiceagent.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ
from voiceagent.bench.targets.base import Call
from voiceagent.bench.targets.cascade import (
    BARGE_IN_FRAMES,
    BEFORE_SAMPLES,
    END_FRAMES,
    FADE_SAMPLES,
    CascadeTarget,
    Rules,
    Turns,
)
from voiceagent.scenes import speaker
from voiceagent.scenes.domain import NOTHING_SAID, REFUSAL
from voiceagent.scenes.utterance import Utterance, Word
from voiceagent.testing.words import normalise

#: One second and two words.
ANSWER = Utterance(
    np.ones(SAMPLE_RATE_HZ, np.float32), (Word("that", 0, 400), Word("is", 600, 1000))
)
COMPUTING_US = 200_000


def midday():
    return datetime.datetime(2026, 11, 23, 12, 5)


class Clock:
    us = 0

    def now_us(self):
        return self.us


class Room:
    """Turns whose recogniser and voice take 0.1 s each; speech is written as a string of frames."""

    def __init__(self, *answers, frames=60):
        self.clock, self.heard, self.answers = Clock(), [], list(answers)
        pcm = np.arange(frames * FRAME_SAMPLES, dtype=np.float32)
        self.turns = Turns(pcm, self.recognise, self.answer, self.say, self.clock)

    def answer(self, heard):
        return self.answers.pop(0) if self.answers else "that is"

    def recognise(self, pcm):
        self.heard.append(pcm)
        self.clock.us += COMPUTING_US // 2
        return "hello"

    def say(self, text):
        self.clock.us += COMPUTING_US // 2
        return ANSWER

    def listen(self, speech):
        """A frame for each character; an x is speech."""
        for frame in speech:
            self.turns.step(frame == "x", self.clock.us)
        return self

    def sounding(self):
        """From which sample to which the agent is to be heard, or None."""
        places = np.flatnonzero(self.turns.said)
        return (int(places[0]), int(places[-1]) + 1) if len(places) else None


END = "." * END_FRAMES
TURN = "xxxxx" + END
#: When the answer to a `TURN` starts: after what it took to compute.
ANSWERED = len(TURN) * FRAME_SAMPLES + COMPUTING_US * SAMPLE_RATE_HZ // 1_000_000


def test_a_turn_ends_with_a_silence_and_is_answered_when_that_is_computed():
    room = Room().listen(TURN)
    assert room.sounding() == (ANSWERED, ANSWERED + SAMPLE_RATE_HZ)
    assert [(word.text, word.start_s) for word in room.turns.words] == [
        ("that", 1.16),
        ("is", 1.76),
    ]


def test_a_frame_less_of_silence_is_a_pause():
    assert Room().listen(TURN[:-1]).sounding() is None


def test_the_recogniser_gets_the_turn_from_before_its_first_sound_and_nothing_of_the_future():
    (pcm,) = Room().listen("." * 6 + TURN).heard
    assert pcm[0] == 6 * FRAME_SAMPLES - BEFORE_SAMPLES
    assert pcm[-1] == (6 + len(TURN)) * FRAME_SAMPLES - 1


def test_a_click_is_no_turn():
    room = Room(None).listen("x" + END)
    assert (room.heard, room.sounding()) == ([], None)


def test_what_wants_no_answer_gets_none():
    room = Room(None).listen(TURN)
    assert (len(room.heard), room.sounding()) == (1, None)


def test_who_goes_on_before_the_answer_starts_is_heard_to_the_end():
    room = Room().listen(TURN + "x" + END)
    assert len(room.heard) == 2
    assert room.heard[1][0] == 0
    begin = (len(TURN) + 1 + END_FRAMES) * FRAME_SAMPLES
    assert room.sounding()[0] == begin + COMPUTING_US * SAMPLE_RATE_HZ // 1_000_000
    assert len(room.turns.words) == 2


def test_an_answer_that_was_withdrawn_is_forgotten():
    room = Room("that is", None, None)
    room.clock.us = 0
    room.listen("xxxxx" + "." * (END_FRAMES - 1))
    room.turns.step(False, -5_000_000)  # the answer is to come in five seconds
    room.listen("x" + END + ".." + "xxx" + END)
    assert [int(pcm[0]) for pcm in room.heard] == [0, 0, 19 * FRAME_SAMPLES]
    assert (room.sounding(), room.turns.words) == (None, ())


def test_who_speaks_into_the_answer_stops_it_after_a_moment():
    room = Room().listen(TURN + "...." + "x" * BARGE_IN_FRAMES)
    stopped = (len(TURN) + 4 + BARGE_IN_FRAMES) * FRAME_SAMPLES
    start, end = room.sounding()
    assert start == ANSWERED
    assert stopped < end <= stopped + FADE_SAMPLES
    assert [word.text for word in room.turns.words] == ["that"]


def test_a_shorter_sound_does_not_stop_the_answer():
    room = Room().listen(TURN + "...." + "x" * (BARGE_IN_FRAMES - 1))
    assert room.sounding() == (ANSWERED, ANSWERED + SAMPLE_RATE_HZ)


def test_an_answer_that_was_said_stays_when_the_next_is_given():
    room = Room().listen(TURN + "." * 20 + TURN)
    assert len(room.turns.words) == 4
    assert room.turns.said.sum() == 2 * SAMPLE_RATE_HZ


def test_an_answer_ends_with_the_recording():
    room = Room(frames=len(TURN) + 5).listen(TURN + ".....")
    assert len(room.turns.said) == (len(TURN) + 5) * FRAME_SAMPLES
    assert [word.text for word in room.turns.words] == ["that"]


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        ("What is 3 + 4?", "three plus four is seven"),
        ("Well, um, what is three plus four?", "three plus four is seven"),
        ("Are you open on Sunday?", "sorry we are closed on sunday"),
        ("What time is it?", "it is twelve oh five"),
        ("What day is it?", "today is monday"),
        ("Send flowers to my wife.", REFUSAL),
        ("Repeat that.", NOTHING_SAID),
        ("Uh huh.", None),
        ("", None),
    ],
)
def test_an_answer_follows_from_what_was_recognised(heard, answer):
    assert Rules(midday).answer(heard) == answer


def test_the_last_answer_is_repeated_as_often_as_asked():
    rules = Rules(midday)
    answers = [
        rules.answer(heard) for heard in ("One plus one.", "Yeah.", "Repeat that.", "Repeat that.")
    ]
    assert answers == ["one plus one is two", None, "one plus one is two", "one plus one is two"]


@pytest.fixture(scope="module")
def cascade():
    pytest.importorskip("faster_whisper")
    return CascadeTarget(clock=Clock(), now=midday)


def question(text):
    quiet = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    return np.concatenate([quiet, speaker("hibari:warp-3").say(text).pcm, np.tile(quiet, 6)])


@pytest.mark.slow
def test_the_cascade_answers_what_is_three_plus_four(cascade):
    user, seconds = question("what is three plus four"), []
    (reply,) = cascade.converse([Call("a", user)], seconds.append)
    assert (reply.key, len(reply.agent)) == ("a", len(user))
    assert [word.text for word in reply.words] == "three plus four is seven".split()
    heard = cascade._recogniser.transcribe(reply.agent)
    assert normalise(heard) == "three plus four is seven".split()
    assert sum(seconds) == pytest.approx(len(user) / SAMPLE_RATE_HZ, abs=0.08)


@pytest.mark.slow
def test_the_cascade_keeps_silent_to_silence_and_forgets_the_call_before(cascade):
    quiet = np.zeros(2 * SAMPLE_RATE_HZ, np.float32)
    calls = [Call("a", question("hello")), Call("b", quiet), Call("c", question("repeat that"))]
    replies = list(cascade.converse(calls, lambda seconds: None))
    assert not replies[1].agent.any()
    assert [word.text for word in replies[2].words] == NOTHING_SAID.split()


@pytest.mark.slow
def test_computing_costs_time_on_the_clock():
    pytest.importorskip("faster_whisper")

    class Slow(Clock):
        def now_us(self):
            self.us += 500_000
            return self.us

    user = question("what is three plus four")
    fast, slow = (CascadeTarget(clock=clock, now=midday) for clock in (Clock(), Slow()))
    starts = [
        target.answer(Call("a", user), lambda seconds: None).words[0].start_s
        for target in (fast, slow)
    ]
    assert starts[1] - starts[0] == pytest.approx(0.5, abs=0.002)
