"""The state machine as a whole: every state leaves, none is dead, whatever is observed."""

import dataclasses
import random
from collections import deque

import pytest

from voiceagent.turntaking import policy
from voiceagent.turntaking.config import MAX_BIAS_NATS, MAX_SILENCE_FRAMES, TurnConfig
from voiceagent.turntaking.evidence import is_turn
from voiceagent.turntaking.policy import decide
from voiceagent.turntaking.types import Audio, Event, Forced, Reason, State, Text, TurnState

#: Every threshold as small as the order between them allows: few enough states to visit them all.
SMALL = TurnConfig(
    onset_frames=2,
    start_max_frames=4,
    listen_max_frames=4,
    idle_max_frames=4,
    hold_max_frames=2,
    pause_max_frames=3,
    take_force_frames=1,
    take_max_frames=2,
    agent_pause_frames=1,
    speak_max_frames=4,
    near_attack=1.0,
    near_release=0.0,
    far_max_frames=2,
    claim_after_frames=2,
    yield_after_frames=3,
    yield_frames=2,
    withdraw_frames=2,
    duck_after_frames=0,
    hush_after_frames=1,
    is_backchanneling=True,
    backchannel_min_turn_frames=2,
    backchannel_gap_frames=3,
    backchannel_lift_frames=1,
    backchannel_max_frames=3,
    stuck_check_frames=1,
    stuck_max_frames=2,
    backchannel_max_words=1,
)
#: One above the largest threshold of SMALL that each is compared with: more counts the same.
CLAMPS = {
    "speech_frames": 3,
    "silence_frames": 5,
    "turn_frames": 4,
    "turn_words": 1,
    "quiet_frames": 2,
    "gated_frames": 1,
    "wanted_frames": 2,
    "hushed_frames": 2,
    "unheard_frames": 0,
    "since_begun_frames": 2,
    "since_backchannel_frames": 4,
    "backchannel_words": 1,
}


def bounds(config):
    """After how many frames each state has been left, at the latest."""
    return {
        State.START: config.start_max_frames,
        State.LISTEN: config.listen_max_frames,
        State.USER_PAUSE: config.pause_max_frames,
        State.TAKE: config.take_max_frames,
        State.SPEAK: config.speak_max_frames,
        # speech with a frame of silence after each: two frames would end the overlap
        State.OVERLAP: 2 * config.yield_after_frames + config.far_max_frames,
        State.YIELD: config.yield_frames,
        State.AGENT_BC: config.backchannel_max_frames,
        State.STUCK: config.stuck_max_frames,
    }


def alphabet(frame):
    """One observation of every kind."""
    users = [
        {},
        {"p_eot": 0.1},
        {"p_eot": 0.99},
        {"p_user": 0.9, "level_dbfs": -20.0},
        {"p_user": 0.9, "level_dbfs": -20.0, "heard": " plus"},
        {"p_user": 0.9, "level_dbfs": -30.0},
        {"p_user": 0.9, "level_dbfs": -20.0, "echo": 0.9},
    ]
    agents = [
        {},
        {"p_pad": 0.05, "p_epad": 0.95},
        {"text": Text.EPAD, "p_pad": 0.05, "p_epad": 0.95},
        {"text": Text.WORD, "agent_dbfs": -20.0},
    ]
    both = [frame(**user, **agent) for user in users for agent in agents]
    loop = frame(text=Text.WORD, agent_dbfs=-20.0, repeats=9)
    return [*both, loop, frame(is_hung_up=True)]


def merged(state):
    """States that no threshold tells apart become one."""
    if state.state is State.ENDED:
        return TurnState(state=State.ENDED)
    if state.state not in (State.SPEAK, State.OVERLAP):  # compared there alone
        state = dataclasses.replace(state, since_begun_frames=2)
    if state.state not in (State.OVERLAP, State.YIELD):
        state = dataclasses.replace(state, hushed_frames=0)
    counters = {name: min(getattr(state, name), clamp) for name, clamp in CLAMPS.items()}
    return dataclasses.replace(state, **counters, frame=-1, generation=0)


@pytest.fixture(scope="module")
def explored(frame):
    """Every state that can be reached with SMALL, and every transition between kinds of state."""
    found, transitions = set(), set()
    patient = {"patience_frames": 1, "is_backchanneling": False}
    for changes in ({"model_trust": 0.5}, patient):  # each has reasons of its own
        explore(dataclasses.replace(SMALL, **changes), frame, found, transitions)
    return found, transitions


def explore(config, frame, found, transitions):
    """Visit every state that can be reached with a config."""
    symbols, seen_states, waiting = alphabet(frame), set(), deque([merged(TurnState())])
    while waiting:
        state = waiting.popleft()
        for seen in symbols:
            after, decision = decide(config, state, seen)
            transitions.add((state.state, decision.reason, after.state))
            after = merged(after)
            if after not in seen_states:
                seen_states.add(after)
                waiting.append(after)
    found |= seen_states


@pytest.mark.slow
def test_every_state_is_left_within_its_bound(explored):
    longest = dict.fromkeys(bounds(SMALL), 0)
    for state in explored[0]:
        if state.state is not State.ENDED:
            longest[state.state] = max(longest[state.state], state.frames_in_state + 1)
    assert all(longest[state] <= bound for state, bound in bounds(SMALL).items()), longest


@pytest.mark.slow
def test_no_state_is_dead(explored):
    steps = {(before, after) for before, _, after in explored[1]}
    for origin in set(State) - {State.ENDED}:
        reached, waiting = {origin}, [origin]
        while waiting:
            before = waiting.pop()
            new = {after for one, after in steps if one is before} - reached
            reached |= new
            waiting += new
        assert reached >= set(State) - {State.START}, origin


@pytest.mark.slow
def test_every_reason_occurs(explored):
    assert {reason for _, reason, _ in explored[1]} == set(Reason)


@pytest.mark.slow
def test_the_transitions_are_those_of_the_table(explored):
    found = {
        (before.name, after.name)
        for before, reason, after in explored[1]
        if reason is not Reason.STAY
    }
    assert found - {(state.name, "ENDED") for state in State} == table()


def table():
    """The transitions that the policy's docstring lists."""
    rows = [line for line in policy.__doc__.splitlines() if line.split(" ")[0] in State.__members__]
    return {(row.split()[0], row.split()[-1]) for row in rows if row.split()[-1] != "-"}


def random_string(rng, frame, length):
    """Observations in bursts, each value anything it can be and some that it cannot."""
    seen = []
    while len(seen) < length:
        burst = {
            "p_user": rng.choice([0.0, 0.3, 0.45, 0.9, 1.0, float("nan"), rng.random()]),
            "level_dbfs": rng.choice([-144.0, -40.0, -20.0, 0.0, float("nan"), float("-inf")]),
            "echo": rng.choice([0.0, 0.0, 0.0, 1.0, rng.random()]),
            "p_eot": rng.choice([None, 0.0, 1.0, rng.random(), float("nan")]),
            "heard": rng.choice([None, None, None, " mm", " plus"]),
            "text": rng.choice([Text.PAD, Text.PAD, Text.EPAD, Text.WORD, Text.NONE]),
            "p_pad": rng.choice([0.0, 1.0, rng.random(), float("nan")]),
            "p_epad": rng.choice([0.0, 1.0, rng.random(), float("nan")]),
            "agent_dbfs": rng.choice([-144.0, -144.0, -20.0, float("nan")]),
            "rewind_room_frames": rng.choice([0, 3, 6, 12]),
            "repeats": rng.choice([0, 0, 0, 0, 5]),
            "is_hung_up": rng.random() < 0.003,
        }
        for _ in range(min(1 + int(rng.expovariate(1 / rng.choice([2, 10, 60]))), 400)):
            at = len(seen)
            cursor = {"frame": at, "generated_frames": at, "heard_frames": rng.randint(at - 9, at)}
            seen.append(frame(**burst, **cursor))
    return seen[:length]


def check_string(config, observations):
    """Play one string and check what must hold in every frame."""
    state, unanswered = TurnState(), 0
    limits = bounds(config)
    for seen in observations:
        before = state
        state, done = decide(config, before, seen)
        check_decision(before, seen, done)
        if state.state is not State.ENDED:
            assert state.frames_in_state < limits[state.state], state
        is_met = done.forced_text is Forced.EPAD or Event.NO_ANSWER in done.events
        is_open = is_turn(config, state) and not state.is_speech and state.quiet_frames
        is_open = is_open and state.state in (State.LISTEN, State.USER_PAUSE, State.TAKE)
        unanswered = 0 if is_met or not is_open else unanswered + 1
        assert unanswered <= MAX_SILENCE_FRAMES, state


def check_decision(before, seen, done):
    assert abs(done.pad_bias_nats) <= MAX_BIAS_NATS
    assert abs(done.epad_bias_nats) <= MAX_BIAS_NATS
    assert 0 <= done.rewind_frames <= seen.rewind_room_frames
    assert not done.is_replayed or (done.rewind_frames and not done.is_gated)
    assert done.generation == before.generation + done.is_flush
    assert done.is_flush == (done.audio is Audio.FADE)
    assert done.is_flush or done.trim_from_frame is None
    assert (done.gain_db < 0) == (done.audio is Audio.DUCK)


CONFIGS = {
    "embedded": TurnConfig(),
    "distrusting": TurnConfig(model_trust=0.0, is_backchanneling=True, needs_words=False),
    "patient": TurnConfig(patience_frames=3),
    "small": SMALL,
}


def check_strings(config, frame, seed, total):
    """Random strings of 50 to 500 frames until `total` observations were made."""
    rng = random.Random(seed)
    while total > 0:
        length = rng.randint(50, 500)
        check_string(config, random_string(rng, frame, length))
        total -= length


@pytest.mark.parametrize("name", CONFIGS)
def test_random_observations_break_nothing(name, frame):
    check_strings(CONFIGS[name], frame, 1, 20_000 // len(CONFIGS))


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_a_million_random_observations_break_nothing(name, frame):
    check_strings(CONFIGS[name], frame, 2, 1_000_000 // len(CONFIGS))


def test_deciding_twice_gives_the_same(talk):
    talk.answer()
    talk.play(10, "near", "sound")
    state = TurnState()
    for seen, decision in zip(talk.observations, talk.decisions, strict=True):
        state, again = decide(talk.config, state, seen)
        assert again == decision
