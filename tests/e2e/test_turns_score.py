import sys
from pathlib import Path

import numpy as np
import pytest

from voiceagent.scenes import Event, Expected, Scene
from voiceagent.serving.playback import Playback, SaidWord

sys.path.append(str(Path(__file__).parent.parent.parent / "benchmarks"))
from bench_turns import difference
from turns_score import Score, agent_speech, score

ANSWER = "we open at nine"
OVERLAPS = [
    ("backchannel", "backchannel"),
    ("talk_to_others", "side_talk"),
    ("background_speech", "background"),
    ("interruption", "interruption"),
]


def event(kind, start_ms, end_ms):
    channel = "background" if kind == "background" else "user"
    return Event(
        kind=kind, channel=channel, speaker="x", text="x", start_ms=start_ms, end_ms=end_ms
    )


def scene(scene_class, *events, answers=(ANSWER,)):
    return Scene(
        id="x",
        scene_class=scene_class,
        seed=0,
        duration_ms=8000,
        events=events,
        expected=Expected(answers=answers),
    )


def playback(*spans_ms, said=ANSWER):
    """An agent that sounds in these spans of its own time, its words at the first one."""
    agent = np.zeros(8 * 24_000, np.float32)
    for begin_ms, end_ms in spans_ms:
        agent[begin_ms * 24 : end_ms * 24] = 0.3
    begin_ms = spans_ms[0][0] if spans_ms else 0
    words = [SaidWord(word, begin_ms + 80 * i) for i, word in enumerate(said.split())]
    return Playback(agent=agent, said=tuple(words), heard=())


def test_agent_speech_is_heard_a_frame_later_with_its_words():
    (stretch,) = agent_speech(playback((1600, 2000), (2240, 2400)))
    assert (stretch.span.start_ms, stretch.span.end_ms) == (1680, 2480)
    assert stretch.text == ANSWER


def test_question_is_good_when_its_turn_is_taken():
    asked = scene("question", event("question", 400, 1200))
    assert score(asked, playback((1440, 2400))) == Score(
        is_good=True, is_right=True, latency_ms=320
    )
    assert not score(asked, playback(said="")).is_good
    assert not score(asked, playback((1440, 2400), said="hello")).is_right


def test_pause_is_good_when_it_is_held_and_the_turn_taken():
    asked = scene("pause", event("part", 400, 1200), event("question", 2000, 2800))
    assert score(asked, playback((2960, 4000))).is_good
    assert not score(asked, playback((1440, 2400), (2960, 4000))).is_good


@pytest.mark.parametrize(("scene_class", "kind"), OVERLAPS)
def test_overlap_is_spoken_through_but_an_interruption_is_honoured(scene_class, kind):
    talk = scene(scene_class, event("question", 400, 1200), event(kind, 2400, 3200))
    goes_on = score(talk, playback((1440, 5600)))
    stops = score(talk, playback((1440, 2640), (3600, 4800)))
    is_interruption = scene_class == "interruption"
    assert (goes_on.is_good, stops.is_good) == (not is_interruption, is_interruption)
    assert score(talk, playback((5600, 6400))).is_good is None


@pytest.mark.parametrize("scene_class", ["noise", "silence"])
def test_noise_is_good_when_nothing_is_said(scene_class):
    nobody = scene(scene_class, answers=())
    assert score(nobody, playback(said="")).is_good
    assert not score(nobody, playback((1600, 2000))).is_good


def scores(*is_good):
    return [Score(is_good=good, is_right=True) for good in is_good]


def test_difference_is_paired_and_leaves_out_what_was_not_judged():
    change = difference(scores(*[False] * 40, None, True), scores(*[True] * 40, True, None))
    assert (change["n"], change["good"], change["good_95"]) == (40, 1.0, (1.0, 1.0))
    assert change["is_as_wanted"]


def test_difference_of_nothing_is_a_loss_only_where_off_was_weak():
    assert difference(scores(*[True] * 40), scores(*[True] * 40))["is_as_wanted"]
    assert not difference(scores(*[False] * 40), scores(*[False] * 40))["is_as_wanted"]
    assert not difference(scores(*[True] * 40), scores(*[False] * 8, *[True] * 32))["is_as_wanted"]
