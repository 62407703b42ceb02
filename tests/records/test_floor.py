import pytest

from voiceagent.records.floor import Floor
from voiceagent.records.schema import TurnTrace

LOUD = -20.0


@pytest.fixture
def floor(make_frame):
    """What it says after frames of these marks: "u", "a", "b" both, "." nobody."""

    def follow(marks, *states):
        found = Floor()
        for step, mark in enumerate(marks):
            sounds = {"user": LOUD} if mark in "ub" else {}
            sounds |= {"agent": LOUD} if mark in "ab" else {}
            found.add(make_frame(step, **sounds))
        for state in states:
            row = {"decision": {"state": state}}
            found.add(make_frame(0, turn=TurnTrace(policy="on", row=row)))
        return found

    return follow


@pytest.mark.parametrize(
    ("marks", "holder"),
    [("", "nobody"), ("..", "nobody"), ("u", "user"), ("ua", "agent"), ("u..", "user")],
)
def test_without_a_policy_it_is_whoever_sounded_alone_last(floor, marks, holder):
    assert (floor(marks).holder, floor(marks).state) == (holder, None)


def test_speaking_at_once_takes_it_from_nobody(floor):
    assert floor("aab").holder == "agent"


@pytest.mark.parametrize(
    ("state", "holder"),
    [("start", "nobody"), ("listen", "user"), ("take", "agent"), ("overlap", "agent")],
)
def test_with_a_policy_it_is_whoever_that_says(floor, state, holder):
    assert (floor("a", state).holder, floor("a", state).state) == (holder, state)


def test_a_state_that_gives_it_to_nobody_takes_it_away(floor):
    assert floor("", "speak", "stuck").holder == "nobody"
