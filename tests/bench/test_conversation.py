"""Recordings as conversations: official annotations and our own scripts."""

from voiceagent.bench.annotation import Annotation
from voiceagent.bench.builtin import BUILTIN
from voiceagent.bench.conversation import conversation_of
from voiceagent.bench.fdb import FDB_V1, FDB_V15
from voiceagent.records.activity import Span
from voiceagent.scenes import Event, Expected, Scene

TASKS = {task.name: task for task in (*FDB_V1, *FDB_V15)}


def talk(task, annotation, user=(), agent=(), words=()):
    return conversation_of(TASKS[task], annotation, user, agent, words, 20.0)


def test_a_pause_parts_the_users_turn():
    annotation = Annotation(pauses=((2.0, 2.8),))
    (turn,) = talk("candor_pause_handling", annotation, user=[(1.0, 2.1), (2.9, 5.0)]).user
    assert turn.parts == (Span(1000, 2000), Span(2800, 5000))


def test_a_turn_ends_where_it_is_annotated():
    annotation = Annotation(turn_end_s=4.8)
    (turn,) = talk("candor_turn_taking", annotation, user=[(1.0, 5.0), (9.0, 9.5)]).user
    assert (turn.kind, turn.start_ms, turn.end_ms) == ("turn", 1000, 4800)


def test_an_overlap_follows_the_turn_before_it():
    annotation = Annotation(overlap=(6.0, 7.0))
    turn, overlap = talk("user_backchannel", annotation, user=[(1.0, 3.0), (6.0, 7.0)]).user
    assert (turn.end_ms, overlap.kind) == (3000, "user_backchannel")
    assert overlap.parts == (Span(6000, 7000),)


def test_an_overlap_that_the_detector_hears_early_is_no_part_of_the_turn():
    annotation = Annotation(overlap=(6.0, 7.0))
    turn, overlap = talk("user_backchannel", annotation, user=[(1.0, 3.0), (5.9, 7.0)]).user
    assert (turn.end_ms, overlap.start_ms) == (3000, 6000)


def test_a_silent_user_has_no_turn():
    assert talk("icc_backchannel", Annotation()).user == ()


def test_the_agents_stretches_are_joined_and_get_their_words(words):
    said = words(("three", 5.0, 5.3), ("plus", 5.9, 6.0), ("bye", 9.0, 9.5))
    found = talk("candor_turn_taking", Annotation(turn_end_s=4.8), (), [(5, 5.4), (5.8, 6)], said)
    assert [(s.span, s.text) for s in found.agent] == [(Span(5000, 6000), "three plus")]


def test_of_our_own_scenes_the_script_says_everything():
    def event(kind, start_ms, end_ms, channel="user"):
        return Event(
            kind=kind, channel=channel, speaker="x", text="a", start_ms=start_ms, end_ms=end_ms
        )

    scene = Scene(
        id="x",
        scene_class="pause",
        seed=1,
        duration_ms=8000,
        events=(
            event("noise", 0, 8000, "background"),
            event("part", 400, 900),
            event("question", 1500, 2000),
            event("answer", 2300, 3000, "agent"),
            event("background", 2500, 2900, "background"),
        ),
        expected=Expected(),
    )
    found = conversation_of(BUILTIN[0], Annotation(scene=scene), [(0, 8)], (), (), 8.0)
    assert [speech.kind for speech in found.user] == ["turn", "background_speech"]
    assert found.user[0].parts == (Span(400, 900), Span(1500, 2000))
