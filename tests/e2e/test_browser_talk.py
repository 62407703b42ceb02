"""What the browser's figures rest on: scenes found by their sound, and the agent's silence."""

import sys
from pathlib import Path

import numpy as np
import pytest

from voiceagent.scenes import Event, Expected, Scene

sys.path.append(str(Path(__file__).parent.parent.parent / "benchmarks"))
from browser_call import BrowserCall, Shown, find
from browser_talk import Talk

PER_MS = 24


def call(*shown):
    silence = np.zeros(PER_MS, np.float32)
    return BrowserCall(
        microphone=silence,
        agent=silence,
        shown=tuple(Shown(*change) for change in shown),
        slip_ms=0.0,
        complaints=(),
        cut=None,
        freed_ms=None,
    )


def talk(*loud_ms, num_ms=3000, shown=()):
    """A scene in which the agent is to be heard in these spans."""
    agent = np.zeros(num_ms * PER_MS, np.float32)
    for begin_ms, end_ms in loud_ms:
        agent[begin_ms * PER_MS : end_ms * PER_MS] = 0.1
    asked = Event(kind="question", channel="user", speaker="x", text="help", start_ms=0, end_ms=400)
    scene = Scene(
        id="x",
        scene_class="question",
        seed=0,
        duration_ms=num_ms,
        events=(asked,),
        expected=Expected(answers=("i can add",)),
    )
    return Talk(scene, agent, 100, 1.0, call(*shown))


@pytest.mark.parametrize("begin_ms", [-300, 0, 1234])
def test_a_scene_is_found_where_it_was_recorded(begin_ms):
    sound = np.random.default_rng(1).standard_normal(2000 * PER_MS).astype(np.float32)
    recording = np.zeros(5000 * PER_MS, np.float32)
    heard = sound[max(0, -begin_ms) * PER_MS :]
    at = max(0, begin_ms) * PER_MS
    recording[at : at + len(heard)] = heard
    found_ms, match = find(sound, recording, max(0, begin_ms - 200), 500)
    assert found_ms == begin_ms
    assert match > 0.9  # its beginning may be cut off


def test_a_scene_that_was_not_recorded_is_not_like_anything():
    rng = np.random.default_rng(2)
    sound, recording = (rng.standard_normal(n * PER_MS).astype(np.float32) for n in (2000, 5000))
    assert find(sound, recording, 1000, 500)[1] < 0.1


def test_silence_begins_after_the_last_sound_before_a_long_pause():
    # the first pause is one between words
    assert talk((500, 1000), (1100, 1500), (2500, 2900)).silent_from_ms(700) == 1500


def test_an_agent_that_is_silent_already_is_silent_at_once():
    assert talk((500, 1000)).silent_from_ms(1200) == 1200


def test_an_agent_that_talks_on_is_never_silent_before_the_end():
    assert talk((500, 3000)).silent_from_ms(700) == 3000


def test_the_first_sound_is_the_first_one_from_a_time_on():
    heard = talk((500, 1000), (1100, 1500))
    assert [heard.audible_from_ms(ms) for ms in (0, 700, 1050, 1600)] == [500, 700, 1100, None]


@pytest.mark.parametrize(
    ("text", "at_ms", "is_answering"),
    [
        ("i can", 800, True),
        ("i can", 1300, False),  # it has been silent too long
        ("i am", 800, False),  # it says something else
        ("", 800, False),
    ],
)
def test_an_agent_is_answering_while_it_is_heard_and_says_the_right_thing(
    text, at_ms, is_answering
):
    heard = talk((500, 1000), shown=[(600, "help", text)])
    assert heard.is_answering(at_ms) is is_answering


def test_a_span_of_the_transcript_is_what_it_grew_by():
    page = call((100, "hello", ""), (200, "hello", "hi"), (300, "hello you", "hi"))
    assert page.shown_text("user", 150, 350) == "you"
    assert page.shown_text("agent", 250) == ""
    assert page.shown_text("agent", 0, 250) == "hi"
