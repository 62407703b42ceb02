"""A conversation played to the policy by hand: so many frames of this user and that agent."""

import dataclasses

import pytest

from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.policy import decide
from voiceagent.turntaking.types import Observation, State, Text, TurnState

SILENT_FRAME = Observation(
    frame=0,
    p_user=0.02,
    level_dbfs=-62.0,
    floor_dbfs=-65.0,
    tilt_db=-5.0,
    echo=0.0,
    p_eot=None,
    heard=None,
    text=Text.PAD,
    p_pad=0.99,
    p_epad=0.0,
    entropy_nats=0.05,
    agent_dbfs=-90.0,
    generated_frames=0,
    sent_frames=0,
    heard_frames=0,
    rewind_room_frames=12,
    repeats=0,
    is_hung_up=False,
    is_late=False,
)
USER = {
    "silent": {},
    "near": {"p_user": 0.95, "level_dbfs": -20.0},
    "far": {"p_user": 0.9, "level_dbfs": -30.0},
    "echo": {"p_user": 0.9, "level_dbfs": -32.0, "echo": 0.9},
}
AGENT = {
    "silent": {},
    "epad": {"text": Text.EPAD, "p_pad": 0.1, "p_epad": 0.9},
    "wants": {"p_pad": 0.1, "p_epad": 0.9},
    "word": {"text": Text.WORD, "agent_dbfs": -20.0},
    "sound": {"agent_dbfs": -20.0},
}
UNPLAYED_FRAMES = 3


class Conversation:
    """Plays frames and keeps what was decided."""

    def __init__(self, config=None):
        self.config = config or TurnConfig()
        self.state = TurnState()
        self.decisions = []
        self.observations = []

    def play(self, frames, user="silent", agent="silent", **changes):
        """Play frames that are all alike; returns their decisions."""
        first = len(self.decisions)
        for _ in range(frames):
            frame = len(self.decisions)
            cursor = {
                "frame": frame,
                "generated_frames": frame,
                "sent_frames": frame,
                "heard_frames": max(0, frame - UNPLAYED_FRAMES),
            }
            values = {**cursor, **USER[user], **AGENT[agent], **changes}
            seen = dataclasses.replace(SILENT_FRAME, **values)
            self.observations.append(seen)
            self.state, decision = decide(self.config, self.state, seen)
            self.decisions.append(decision)
        return self.decisions[first:]

    def ask(self, frames=12):
        """The user says a turn of words and stops; ends in the first frame of silence."""
        self.play(1)
        self.play(frames - 2, "near")
        self.play(2, "near", heard=" plus")
        return self.play(1)

    def answer(self, frames=20):
        """The user asks, the model answers of its own accord and is still speaking."""
        self.ask()
        self.play(2)
        self.play(1, agent="epad")
        self.play(1, agent="word")
        return self.play(frames, agent="sound")

    def in_state(self, state):
        """The decisions taken in a state."""
        return [decision for decision in self.decisions if decision.state is State(state)]


@pytest.fixture
def talk():
    """A conversation with the default config."""
    return Conversation()


@pytest.fixture
def distrusting():
    """A conversation with a model that speaks into pauses."""
    return Conversation(TurnConfig(model_trust=0.0))


@pytest.fixture
def patient():
    """A conversation with an agent that waits whether the user goes on."""
    return Conversation(TurnConfig(patience_frames=3))


@pytest.fixture
def conversation():
    """Make a conversation with a config of one's own."""
    return Conversation


@pytest.fixture(scope="session")
def frame():
    """Make one observation, silent but for the changes."""

    def make(**changes):
        return dataclasses.replace(SILENT_FRAME, **changes)

    return make
