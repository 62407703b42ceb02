"""What is good in each kind of task, on conversations made by hand."""

from pathlib import Path

import pytest

from voiceagent.bench.builtin import BUILTIN
from voiceagent.bench.outcome import is_good
from voiceagent.bench.suite import Sample
from voiceagent.records.activity import Span
from voiceagent.records.axes import measure
from voiceagent.records.conversation import ANNOTATED, AgentSpeech, Conversation, UserSpeech

TASKS = {task.name: task for task in BUILTIN}


def goes_well(task, user, agent):
    """User speech as (kind, (start, end), ...) in ms, the agent's as (start, end)."""
    talk = Conversation(
        labels=ANNOTATED,
        duration_ms=12_000,
        user=tuple(UserSpeech(kind, tuple(Span(*part) for part in parts)) for kind, *parts in user),
        agent=tuple(AgentSpeech(Span(*span), said) for *span, said in _told(agent)),
    )
    return is_good(Sample(task=TASKS[task], id="1", folder=Path()), talk, measure(talk))


def _told(agent):
    """What lasts half a second is a murmur."""
    return [(a, b, "mhm" if b - a <= 500 else "one two three four") for a, b in agent]


PAUSED = [("turn", (500, 1500), (2500, 4000))]
ASKED = ("turn", (500, 2000))


@pytest.mark.parametrize(
    ("agent", "good"),
    [([(4500, 7000)], True), ([(1800, 2400), (4500, 7000)], False), ([], False)],
)
def test_a_pause_is_held_and_then_the_turn_is_taken(agent, good):
    assert goes_well("pause_handling", PAUSED, agent) is good


@pytest.mark.parametrize(
    ("agent", "good"), [([(2400, 5000)], True), ([(1000, 5000)], False), ([], False)]
)
def test_a_turn_is_taken_once_it_is_over(agent, good):
    assert goes_well("smooth_turn_taking", [ASKED], agent) is good


@pytest.mark.parametrize(
    ("agent", "good"),
    [
        ([(2400, 4400), (5500, 8000)], True),
        ([(2400, 5800)], False),
        ([(7000, 8000)], None),  # nobody was interrupted
    ],
)
def test_an_interruption_is_honoured_within_a_second(agent, good):
    talk = [ASKED, ("interruption", (4000, 5000))]
    assert goes_well("user_interruption", talk, agent) is good


@pytest.mark.parametrize(
    ("agent", "good"),
    [([(2400, 7000)], True), ([(2400, 4300)], False), ([(8000, 9000)], None)],
)
def test_an_aside_is_spoken_through(agent, good):
    talk = [ASKED, ("talking_to_others", (4000, 5000))]
    assert goes_well("talking_to_other", talk, agent) is good


@pytest.mark.parametrize(("agent", "good"), [([], True), ([(1000, 2000)], False)])
def test_nothing_is_said_into_noise(agent, good):
    assert goes_well("noise", [], agent) is good


@pytest.mark.parametrize(
    ("agent", "good"),
    [([], True), ([(1600, 2000)], True), ([(1600, 6000)], False), ([(100, 6000)], False)],
)
def test_a_long_turn_may_be_murmured_to_but_not_taken(agent, good):
    assert goes_well("agent_backchannel", [("turn", (500, 1500), (2500, 8000))], agent) is good
