"""Hand-made conversations with known answers: every axis, every kind of overlap, every outcome."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.records.activity import Span
from voiceagent.records.conversation import (
    ANNOTATED,
    OVERLAP_KINDS,
    USER_KINDS,
    AgentSpeech,
    Conversation,
    UserSpeech,
)
from voiceagent.records.events import Event, find_events, is_backchannel

PAUSED_TURN = ("turn", 0, 1000, 1600, 2500)
LONG_ANSWER = ("agent", 0, 3000, "i can add numbers and tell you our opening hours")


def outcomes(conversation: Conversation, kind: str) -> list[str]:
    return [event.outcome for event in find_events(conversation) if event.kind == kind]


def only(conversation: Conversation, kind: str) -> Event:
    (event,) = [event for event in find_events(conversation) if event.kind == kind]
    return event


@pytest.mark.parametrize(
    ("agent", "outcome"),
    [
        (("agent", 2800, 4000), "held"),  # after the turn
        (("agent", 1200, 2600), "taken"),
        (("agent", 600, 2600), "taken"),  # begins in the last 400 ms before the pause
        (("agent", 599, 2600), "held"),  # cuts in before, which is no matter of the pause
        (("agent", 1599, 3000), "taken"),
        (("agent", 1600, 3000), "held"),
        (("agent", 1200, 1900, "mm hm"), "held"),  # a backchannel
        (("agent", 1200, 1900, "you are welcome"), "taken"),  # three words
        (("agent", 1200, 2200, "mm"), "taken"),  # a second
    ],
)
def test_pause_is_held_unless_the_agent_takes_it(converse, agent, outcome):
    event = only(converse(PAUSED_TURN, agent), "pause")
    assert (event.outcome, event.start_ms, event.end_ms) == (outcome, 1000, 1600)


def test_every_pause_of_a_turn_counts_for_itself(converse):
    talk = converse(("turn", 0, 500, 1000, 1500, 2000, 2500), ("agent", 1700, 3000))
    assert outcomes(talk, "pause") == ["held", "taken"]


@pytest.mark.parametrize(
    ("agent", "outcome", "offset_ms"),
    [
        ((("agent", 2820, 4000),), "taken", 320),
        ((("agent", 2100, 4000),), "taken", -400),
        ((("agent", 2099, 4000),), "early", None),  # cut in, and did not come back
        ((("agent", 2820, 3000, "yes"),), "taken", 320),  # a short answer is an answer
        ((("agent", 1200, 1500, "mm"), ("agent", 2900, 3500)), "taken", 400),
        ((("agent", 1200, 2600),), "early", None),  # took the pause and was done with it
        ((("agent", 1200, 1500, "mm"),), "missed", None),
        ((), "missed", None),
    ],
)
def test_turn_is_taken_by_what_begins_at_its_end(converse, agent, outcome, offset_ms):
    event = only(converse(PAUSED_TURN, *agent), "turn")
    assert (event.outcome, event.offset_ms) == (outcome, offset_ms)


def test_turn_that_the_next_turn_comes_first_to_was_missed(converse):
    talk = converse(("turn", 0, 1000), ("turn", 4000, 5000), ("agent", 5300, 6000))
    assert outcomes(talk, "turn") == ["missed", "taken"]


def test_turn_is_taken_though_somebody_else_is_heard_before_the_answer(converse):
    talk = converse(("turn", 0, 1000), ("background_speech", 1100, 1900), ("agent", 1400, 3000))
    assert outcomes(talk, "turn") == ["taken"]


@pytest.mark.parametrize(
    ("agent", "floor", "backchannels"),
    [
        ((), "kept", 0),
        ((("agent", 500, 800, "mm"),), "kept", 1),
        ((("agent", 500, 800, "mm"), ("agent", 1700, 2000, "uh huh")), "kept", 2),
        ((("agent", 500, 1600),), "cut_in", 0),
        ((("agent", 500, 800, "mm"), ("agent", 1200, 2400, "well then")), "cut_in", 1),
        ((("agent", 2100, 3400),), "kept", 0),  # an early answer
        ((("agent", 2100, 2300, "mm"),), "kept", 0),
    ],
)
def test_floor_is_kept_by_silence_and_by_backchannels(converse, agent, floor, backchannels):
    talk = converse(PAUSED_TURN, *agent)
    assert only(talk, "floor").outcome == floor
    assert len(outcomes(talk, "backchannel")) == backchannels


def test_cut_in_stands_where_the_agent_began(converse):
    assert only(converse(PAUSED_TURN, ("agent", 1200, 2600)), "floor").start_ms == 1200


@pytest.mark.parametrize("kind", OVERLAP_KINDS)
@pytest.mark.parametrize(
    ("agent", "outcome", "stop_ms"),
    [
        # stops, and speaks again once the other is done
        ((("agent", 0, 1300), ("agent", 2300, 4000)), "respond", 300),
        # speaks on, then says something new: too late for an interruption, an answer all the same
        ((LONG_ANSWER, ("agent", 3600, 4000)), "respond", 2000),
        # speaks on to the end
        ((LONG_ANSWER,), "resume", 2000),
        # breaks off and goes on while the other still speaks
        ((("agent", 0, 1300), ("agent", 1550, 4000)), "resume", 300),
        (
            (("agent", 0, 1300), ("agent", 2300, 4000, "sorry can you repeat that")),
            "uncertain",
            300,
        ),
        # falls silent
        ((("agent", 0, 1300),), "unknown", 300),
        ((("agent", 0, 1300), ("agent", 6001, 7000)), "unknown", 300),
        ((("agent", 0, 2000),), "unknown", 1000),
        ((("agent", 0, 2001),), "resume", 1001),
    ],
)
def test_overlap_comes_to_what_the_agent_says_next(converse, kind, agent, outcome, stop_ms):
    event = only(converse((kind, 1000, 2000), *agent), kind)
    assert (event.outcome, event.stop_ms) == (outcome, stop_ms)


def test_response_to_an_overlap_has_an_offset_and_a_resumption_has_none(converse):
    stops = (("agent", 0, 1300), ("agent", 2300, 4000))
    assert only(converse(("interruption", 1000, 2000), *stops), "interruption").offset_ms == 300
    through = converse(("interruption", 1000, 2000), LONG_ANSWER)
    assert only(through, "interruption").offset_ms is None
    goes_on = (("agent", 0, 1300), ("agent", 1550, 4000))
    resumed = only(converse(("interruption", 1000, 2000), *goes_on), "interruption")
    assert (resumed.outcome, resumed.offset_ms) == ("resume", None)


def test_speech_that_the_policy_took_up_again_was_resumed(converse):
    agent = (("agent", 0, 1300), ("agent", 2300, 4000))
    talk = converse(("user_backchannel", 1000, 2000), *agent, resumed_ms=[2290])
    assert outcomes(talk, "user_backchannel") == ["resume"]


def test_answer_to_the_next_turn_is_no_response_to_the_overlap_before_it(converse):
    talk = converse(
        ("user_backchannel", 1000, 1400), LONG_ANSWER, ("turn", 4000, 5000), ("agent", 5200, 6000)
    )
    assert outcomes(talk, "user_backchannel") == ["resume"]


def test_interruption_of_nobody_is_a_turn(converse):
    talk = converse(("interruption", 1000, 2000), ("agent", 2300, 3000))
    assert outcomes(talk, "interruption") == []
    assert only(talk, "turn").offset_ms == 300


@pytest.mark.parametrize("kind", OVERLAP_KINDS[1:])
@pytest.mark.parametrize(
    "agent", [(), (("agent", 0, 1000),), (("agent", 1000, 3000),), (("agent", 1500, 3000),)]
)
def test_what_begins_while_the_agent_is_silent_was_not_exercised(converse, kind, agent):
    assert outcomes(converse((kind, 1000, 2000), *agent), kind) == ["not_exercised"]


@pytest.mark.parametrize(("answer_ms", "stuck"), [(5000, 0), (5001, 1)])
def test_agent_is_stuck_when_nobody_speaks_for_four_seconds(converse, answer_ms, stuck):
    talk = converse(("turn", 0, 1000), ("agent", answer_ms, 7000))
    assert len(outcomes(talk, "stuck")) == stuck


def test_agent_is_stuck_at_the_end_of_a_call_too_but_not_while_it_speaks(converse):
    assert len(outcomes(converse(("turn", 0, 1000)), "stuck")) == 1
    assert outcomes(converse(("turn", 0, 1000), ("agent", 900, 9000)), "stuck") == []
    assert outcomes(converse(("turn", 0, 1000), duration_ms=5000), "stuck") == []


@pytest.mark.parametrize(
    ("end_ms", "text", "short"),
    [(999, "uh huh", True), (1000, "uh huh", False), (500, "one two three", False), (9, "", True)],
)
def test_backchannel_is_short_and_of_few_words(end_ms, text, short):
    assert is_backchannel(AgentSpeech(Span(0, end_ms), text)) is short


@st.composite
def conversations(draw) -> Conversation:
    """Both sides speak at any time; each side's own stretches come one after the other."""

    def stretches(most):
        steps = draw(
            st.lists(st.tuples(st.integers(80, 3000), st.integers(80, 3000)), max_size=most)
        )
        at_ms, found = 0, []
        for gap_ms, length_ms in steps:
            found.append(Span(at_ms + gap_ms, at_ms + gap_ms + length_ms))
            at_ms = found[-1].end_ms
        return found

    user, parts = [], stretches(8)
    while parts:
        count = draw(st.integers(1, 3))
        user.append(UserSpeech(draw(st.sampled_from(USER_KINDS)), tuple(parts[:count])))
        parts = parts[count:]
    texts = st.sampled_from(["", "mm", "say that again", "three plus four is seven"])
    agent = tuple(AgentSpeech(span, draw(texts)) for span in stretches(8))
    return Conversation(labels=ANNOTATED, duration_ms=60_000, user=tuple(user), agent=agent)


def shifted(speech, by_ms):
    if isinstance(speech, AgentSpeech):
        span = Span(speech.span.start_ms + by_ms, speech.span.end_ms + by_ms)
        return dataclasses.replace(speech, span=span)
    parts = tuple(Span(p.start_ms + by_ms, p.end_ms + by_ms) for p in speech.parts)
    return dataclasses.replace(speech, parts=parts)


@given(conversations(), st.integers(1, 100_000))
def test_shift_in_time_changes_nothing_but_the_times(talk, by_ms):
    later = dataclasses.replace(
        talk,
        duration_ms=talk.duration_ms + by_ms,
        user=tuple(shifted(s, by_ms) for s in talk.user),
        agent=tuple(shifted(s, by_ms) for s in talk.agent),
    )
    expected = [
        dataclasses.replace(e, start_ms=e.start_ms + by_ms, end_ms=e.end_ms + by_ms)
        for e in find_events(talk)
    ]
    assert find_events(later) == expected


@given(conversations(), st.integers(1, 100_000))
def test_silence_at_the_end_changes_nothing_but_whether_the_agent_got_stuck(talk, by_ms):
    longer = dataclasses.replace(talk, duration_ms=talk.duration_ms + by_ms)
    found, expected = find_events(longer), find_events(talk)
    assert [e for e in found if e.kind != "stuck"] == [e for e in expected if e.kind != "stuck"]
    stuck = [sum(e.kind == "stuck" for e in events) for events in (found, expected)]
    assert stuck[0] - stuck[1] in (0, 1)


@given(conversations())
def test_every_piece_of_speech_is_accounted_for_once(talk):
    events = find_events(talk)
    kinds = [event.kind for event in events]
    addressed = [s for s in talk.user if s.is_addressed]
    assert kinds.count("turn") + kinds.count("interruption") == len(addressed)
    assert kinds.count("floor") == len(addressed)
    assert kinds.count("pause") == sum(len(s.parts) - 1 for s in addressed)
    for kind in OVERLAP_KINDS[1:]:
        assert kinds.count(kind) == sum(s.kind == kind for s in talk.user)
