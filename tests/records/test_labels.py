import dataclasses

import pytest

from voiceagent.audio.framing import FRAME_SAMPLES
from voiceagent.audio.level import rms_dbfs
from voiceagent.bench.conversation import scripted
from voiceagent.records.activity import Span
from voiceagent.records.conversation import ANNOTATED, Conversation
from voiceagent.records.events import find_events
from voiceagent.records.labels import ActivityLog, estimate
from voiceagent.records.schema import TraceFrame, TurnTrace
from voiceagent.scenes import make_script, render
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.engine import Engine

LAG_MS = 92  # a frame, and the 12 ms of the frames made here


@pytest.fixture
def trace(make_frame):
    """A trace of two lines of marks, 80 ms each: "#" loud, "+" 8 dB down, "-" 16 dB down."""

    def make(user: str, agent: str = "", words=()) -> list:
        levels = {"#": -20.0, "+": -28.0, "-": -36.0}
        heard, said = dict(words), agent.ljust(len(user))
        return [
            make_frame(
                step,
                user=levels.get(mark, -90.0),
                agent=levels.get(said[step], -90.0),
                heard=heard.get(step),
            )
            for step, mark in enumerate(user)
        ]

    return make


def with_turn(frame, policy="on", p_user=None, heard_frames=None, **decision):
    observation = {"p_user": p_user, "heard_frames": heard_frames}
    row = {"observation": observation, "decision": decision}
    turn = TurnTrace(policy=policy, row=row)
    return dataclasses.replace(frame, turn=turn)


def test_agent_is_placed_where_the_caller_hears_it(trace):
    (speech,) = estimate(trace("......", "..##..")).agent
    assert speech.span == Span(160 + LAG_MS, 320 + LAG_MS)


def test_player_that_reports_what_was_heard_places_the_agent_later(trace):
    frames = [with_turn(f, heard_frames=f.step - 3) for f in trace("....", ".##.")]
    (speech,) = estimate(frames).agent
    assert speech.span.start_ms == 80 + 320 + 12


@pytest.mark.parametrize(("policy", "heard_ms"), [("on", 80), ("shadow", 160)])
def test_agent_that_was_muted_is_not_heard_unless_the_policy_only_wrote_it_down(
    trace, policy, heard_ms
):
    frames = trace("....", ".##.")
    frames[2] = with_turn(frames[2], policy, audio="mute")
    (speech,) = estimate(frames).agent
    assert speech.span.duration_ms == heard_ms


def test_agents_words_belong_to_the_stretch_they_are_spoken_in(trace):
    frames = trace("." * 30, "..####" + "." * 15 + "####")
    frames[2] = dataclasses.replace(frames[2], said=" good")
    frames[4] = dataclasses.replace(frames[4], said=" day")
    frames[19] = dataclasses.replace(frames[19], said=" bye")
    assert [speech.text for speech in estimate(frames).agent] == ["good day", "bye"]


@pytest.mark.parametrize(
    ("user", "parts"),
    [
        ("##..##", [Span(0, 480)]),  # articulation
        ("##...##", [Span(0, 160), Span(400, 560)]),  # a pause
        ("##............##", [Span(0, 160), Span(1120, 1280)]),  # the longest
    ],
)
def test_short_silences_are_none_and_longer_ones_pauses(trace, user, parts):
    (speech,) = estimate(trace(user)).user
    assert (speech.kind, list(speech.parts)) == ("turn", parts)


def test_silence_beyond_a_second_ends_the_turn(trace):
    assert len(estimate(trace("##.............##")).user) == 2


@pytest.mark.parametrize(("agent_from", "kinds"), [(8, ["turn"]), (5, ["turn", "interruption"])])
def test_user_that_goes_on_soon_after_the_agent_began_had_paused(trace, agent_from, kinds):
    user = "####.........." + "#" * 15 + "......"
    frames = trace(user, "." * agent_from + "#" * 20)
    assert [speech.kind for speech in estimate(frames).user] == kinds


def test_click_is_no_speech(trace):
    assert estimate(trace("..#...")).user == ()


QUESTION, ANSWER = "##########" + "." * 25, "." * 14 + "#" * 30


@pytest.mark.parametrize(
    ("overlap", "words", "kind"),
    [
        ("####", [(24, " yeah")], "user_backchannel"),
        ("####", [(24, " no"), (25, " not"), (26, " that")], "interruption"),
        ("#" * 13, [], "interruption"),
        ("#" * 12, [], "user_backchannel"),
        ("+" * 13, [], "talking_to_others"),
        ("-" * 13, [], "background_speech"),
        ("---", [], "background_speech"),
    ],
)
def test_speech_over_the_agent_is_told_apart_by_length_words_and_level(trace, overlap, words, kind):
    user = QUESTION[:22] + overlap + QUESTION[22 + len(overlap) :] + "." * 20
    talk = estimate(trace(user, ANSWER, words))
    assert [speech.kind for speech in talk.user] == ["turn", kind]


def test_speech_while_the_agent_is_silent_is_a_turn_however_short(trace):
    assert [s.kind for s in estimate(trace("########" + "." * 15 + "++")).user] == ["turn", "turn"]


def test_distant_speech_is_no_turn_though_the_agent_is_silent(trace):
    kinds = [s.kind for s in estimate(trace("########" + "." * 15 + "---")).user]
    assert kinds == ["turn", "background_speech"]


@pytest.mark.parametrize(
    ("reason", "mark", "kind"),
    [
        ("interruption", "+", "interruption"),
        ("backchannel", "+", "user_backchannel"),
        ("not_addressed", "#", "talking_to_others"),
        ("not_addressed", "-", "background_speech"),
        ("stay", "#", "user_backchannel"),
    ],
)
def test_opinion_of_the_policy_counts_more_than_the_estimate(trace, reason, mark, kind):
    frames = trace(QUESTION[:22] + mark * 4 + "." * 30, ANSWER)
    frames[24] = with_turn(frames[24], reason=reason)
    assert [s.kind for s in estimate(frames).user] == ["turn", kind]


def test_opinion_of_speech_that_began_before_the_agent_was_heard_is_none_of_an_overlap(trace):
    frames = trace("####....####" + "." * 20, "." * 7 + "#" * 20)
    frames[9] = with_turn(frames[9], reason="backchannel")
    (speech,) = estimate(frames).user
    assert (speech.kind, len(speech.parts)) == ("turn", 2)


def test_detector_of_speech_counts_more_than_the_level(trace):
    frames = trace("####....")
    frames = [with_turn(f, p_user=0.9 if f.step in (4, 5) else 0.1) for f in frames]
    (speech,) = estimate(frames).user
    assert speech.parts == (Span(320, 480),)


@pytest.mark.parametrize(("policy", "resumed_ms"), [("on", (240 + LAG_MS,)), ("shadow", ())])
def test_resumption_is_known_only_from_a_policy_that_acts(trace, policy, resumed_ms):
    frames = trace("......")
    frames[3] = with_turn(frames[3], policy, is_resume=True)
    assert estimate(frames).resumed_ms == resumed_ms


def test_call_of_no_frames_is_an_empty_conversation():
    talk = ActivityLog().conversation()
    assert (talk.labels, talk.duration_ms, talk.user, talk.agent) == ("estimated", 0, (), ())


@pytest.fixture(scope="module")
def converse_live():
    """Plays a scene to the embedded model; returns the scene and the trace."""
    engine = Engine.load("nano", EngineConfig(num_slots=1))

    def live(scene_class, seed):
        rendered = render(make_script(scene_class, seed))
        session, trace = engine.open_session(), []
        for pcm in rendered.user.reshape(-1, FRAME_SAMPLES):
            session.push(pcm)
            (answer,) = engine.step()
            trace.append(
                TraceFrame(
                    step=answer.step,
                    time_ms=answer.time_ms,
                    user_dbfs=rms_dbfs(pcm),
                    agent_dbfs=rms_dbfs(answer.pcm),
                    said=answer.said,
                    heard=answer.heard,
                    p_pad=answer.p_pad,
                    p_epad=answer.p_epad,
                    entropy=answer.entropy,
                    is_gated=answer.is_gated,
                    step_us=10_000,
                    lag_us=12_000,
                )
            )
        engine.close(session)
        return rendered.scene, trace

    return live


def counted(events) -> list[tuple[str, str]]:
    return sorted((event.kind, event.outcome) for event in events)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scene_class", "num_scenes", "least_same"),
    # of 30 scenes each that the embedded model could answer agreed, in this order: 30, 30, 29,
    # 28, 20, 25; it does not know all that is asked now, and silence is easily mislabelled
    [
        ("question", 2, 2),
        ("pause", 4, 4),
        ("interruption", 3, 2),
        ("backchannel", 8, 3),
        ("talk_to_others", 8, 4),
        ("background_speech", 3, 2),
    ],
)
def test_estimate_agrees_with_the_script_of_a_scene(
    converse_live, scene_class, num_scenes, least_same
):
    same = 0
    for seed in range(10_000, 10_000 + num_scenes):
        scene, trace = converse_live(scene_class, seed)
        talk = estimate(trace)
        by_script = Conversation(
            labels=ANNOTATED,
            duration_ms=scene.duration_ms,
            user=tuple(scripted(scene)),
            agent=talk.agent,
        )
        same += counted(find_events(talk)) == counted(find_events(by_script))
    assert same >= least_same


def test_copy_stays_as_it_is_while_the_log_goes_on(trace):
    log = ActivityLog()
    frames = trace("####......", "......####", words={3: "plus"})
    for frame in frames:
        log.add(with_turn(frame, p_user=0.9))
    copied, before = log.copy(), log.conversation()
    for frame in frames:
        log.add(with_turn(frame, reason="interruption", is_resume=True, heard_frames=1))
    assert copied.conversation() == before != log.conversation()
