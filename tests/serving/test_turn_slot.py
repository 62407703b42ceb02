"""One session's turn-taking, its policy real, its sound and its model played by hand."""

import numpy as np
import pytest

from voiceagent.model.config import ROLLBACK_STEPS
from voiceagent.serving.ears import Cues
from voiceagent.serving.observe import Playout
from voiceagent.serving.steering import Plan
from voiceagent.serving.turn_slot import ModelStep, SlotTurns, TextStream
from voiceagent.turntaking.config import MAX_RESUME_FRAMES, MAX_REWIND_FRAMES, TurnConfig
from voiceagent.turntaking.trace import from_json
from voiceagent.turntaking.types import Event, Reason, Text

PAD, EPAD, WORD, MUTE_TOKEN = 0, 1, 2, 3
SILENCE_CODES = (0,)
UNHEARD_FRAMES = 3
LEVELS = {"silent": (0.02, -62.0), "near": (0.95, -20.0), "far": (0.9, -30.0)}


def stream():
    return TextStream(5, PAD, EPAD, lambda token: " word" if token == WORD else None)


class Call:
    """Frames of this user and that agent; keeps plans and what went out."""

    def __init__(self, policy="on", **config):
        self.turns = SlotTurns(policy, TurnConfig(**config), stream())
        self.rows, self.plans, self.spoken, self.given = [], [], [], []

    def play(self, frames, user="silent", token=PAD, level=0.0, heard=None, is_announced=False):
        for _ in range(frames):
            frame = len(self.plans)
            p_user, level_dbfs = LEVELS[user]
            cues = Cues(0, frame, p_user, level_dbfs, -65.0, -5.0, 0.0, None, False)
            playout = Playout(
                generated_frames=frame,
                sent_frames=frame,
                heard_frames=max(0, frame - UNHEARD_FRAMES),
            )
            row, plan = self.turns.decide(frame, cues, playout)
            is_gated = plan.steering is not None and plan.steering.is_gated
            given = SILENCE_CODES if is_gated else (frame,)
            pcm = np.full(1920, level, np.float32)
            step = ModelStep(pcm, token, heard, given, (frame,), 0.5, 0.25, 1.0, is_announced)
            self.given.append(given)
            self.rows.append(row)
            self.plans.append(plan)
            self.spoken.append(self.turns.spoke(step))
        return self.plans[-frames:]

    def answer(self, frames=12):
        """The user asks, and the agent is in the middle of its answer."""
        self.play(1)
        self.play(8, "near", heard=" plus")
        self.play(3)
        self.play(1, token=EPAD)
        self.play(1, token=WORD, level=0.1)
        return self.play(frames, level=0.1)

    def resume(self):
        """The user murmurs over the agent, which goes on from where it was last heard."""
        self.play(4, "near", level=0.1)
        self.play(2, level=0.1)
        assert self.rows[-1].decision.is_resume

    def resume_with_a_word(self):
        self.resume()
        self.play(1, token=WORD, level=0.1)

    def announce(self, frames, user="silent", heard=None):
        return self.play(frames, user, level=0.1, heard=heard, is_announced=True)

    @property
    def states(self):
        return [row.decision.state.value for row in self.rows]


@pytest.fixture
def call():
    """With an agent that neither waits nor is hushed before it yields."""
    return Call(patience_frames=0, duck_after_frames=2, hush_after_frames=9)


def test_tokens_mean_what_the_policy_calls_them():
    kinds = [stream().kind(token) for token in (PAD, EPAD, WORD, MUTE_TOKEN)]
    assert kinds == [Text.PAD, Text.EPAD, Text.WORD, Text.PAD]


def test_policy_sees_the_model_as_it_was_in_the_last_step(call):
    call.play(1, token=WORD, level=0.1, heard=" plus")
    call.play(1)
    seen = call.rows[1].observation
    assert (seen.text, seen.heard, seen.p_pad, seen.p_epad) == (Text.WORD, " plus", 0.5, 0.25)
    assert seen.agent_dbfs == pytest.approx(-20)
    assert (seen.repeats, seen.rewind_room_frames, seen.is_late) == (1, 1, False)


def test_cues_of_an_older_frame_are_late(call):
    old = Cues(0, 4, 0.9, -20.0, -65.0, 0.0, 0.0, None, False)
    row, _ = call.turns.decide(5, old, Playout(generated_frames=5))
    assert (row.observation.is_late, row.observation.p_user) == (True, 0.9)


def test_room_for_rewinding_ends_at_twelve_steps(call):
    call.play(15)
    assert call.rows[-1].observation.rewind_room_frames == 12


def test_agent_that_is_trusted_says_what_it_wants(call):
    call.answer()
    steerings = [plan.steering for plan in call.plans if plan.steering is not None]
    assert {(steering.forced_text, steering.logit_bias) for steering in steerings} == {(None, None)}
    assert {frame.generation for frame in call.spoken} == {0}


def test_noise_is_kept_from_an_agent_that_speaks_and_from_no_other(call):
    call.answer()
    gated = [plan.steering is not None for plan in call.plans]
    assert gated == [state == "speak" for state in call.states]


def test_agent_that_is_held_is_biased_against_a_word_and_then_made_to_speak():
    call = Call(model_trust=0.0)
    (held,) = call.play(1)
    assert held.steering.forced_text == PAD
    call.play(8, "near", heard=" plus")
    bias = call.plans[-1].steering.logit_bias
    assert bias.tolist() == [4.0, -4.0, 0, 0, 0]
    lifted = call.play(20)
    assert EPAD in [plan.steering.forced_text for plan in lifted if plan.steering]


def test_sound_that_is_not_for_the_agent_is_kept_from_the_model(call):
    call.answer()
    plans = call.play(3, "far", level=0.1)
    assert [plan.steering.is_gated for plan in plans] == [True] * 3
    assert [frame.is_gated for frame in call.spoken[-3:]] == [True] * 3


def test_sound_that_was_for_the_agent_after_all_is_heard_again(call):
    call.answer()
    call.play(3, "far", level=0.1)
    (plan,) = call.play(1, "near", level=0.1)
    first = len(call.plans) - 4
    assert [repeat.user_codes for repeat in plan.repeats] == [(first + n,) for n in range(3)]
    assert not any(repeat.is_silent for repeat in plan.repeats)
    assert (plan.forget_steps, plan.steering) == (0, None)


def test_interrupted_agent_falls_silent_and_forgets_what_nobody_heard(call):
    call.answer()
    call.play(1, "near", level=0.1)
    call.play(1, "near", level=0.1, heard=" stop")
    plans = call.play(4, "near", level=0.1)
    at = call.states.index("yield")
    flushed = call.plans[at]
    assert flushed in plans
    assert (flushed.is_flush, flushed.steering.forced_text) == (True, PAD)
    assert [(repeat.user_codes, repeat.is_silent) for repeat in flushed.repeats] == [
        ((at - UNHEARD_FRAMES + n,), True) for n in range(UNHEARD_FRAMES)
    ]
    assert not any(plan.repeats for plan in call.plans[at + 1 :])


def test_no_more_steps_are_taken_again_than_a_frame_has_time_for():
    call = Call()
    call.answer()
    call.play(12, "near", level=0.1)  # hushed for 7 frames before it yields
    flushed = call.plans[call.states.index("yield")]
    assert len(flushed.repeats) == MAX_REWIND_FRAMES
    assert all(repeat.is_silent for repeat in flushed.repeats)


def test_interrupted_agent_fades_and_its_older_sound_is_void(call):
    call.answer()
    call.play(1, "near", level=0.1)
    call.play(1, "near", level=0.1, heard=" stop")
    call.play(4, "near", level=0.1)
    at = call.states.index("yield")
    before, fading, muted = call.spoken[at - 1 : at + 2]
    assert (before.generation, before.is_flush) == (0, False)
    assert (fading.generation, fading.is_flush) == (1, True)
    assert (muted.generation, muted.is_flush) == (1, False)
    assert fading.pcm[0] > 0 == fading.pcm[-1]
    assert not muted.pcm.any()
    assert muted.turn["generated_dbfs"] == pytest.approx(-20)


def test_agent_that_was_not_really_interrupted_goes_on_where_it_was(call):
    call.answer()
    call.play(13, "near", level=0.1)
    call.play(2, level=0.1)
    resumed = call.rows[-1].decision
    assert resumed.is_resume
    # one frame of a hush, and what was under way then, came before
    unheard = 1 + UNHEARD_FRAMES + call.states.count("yield")
    assert call.plans[-1].forget_steps == resumed.rewind_frames == unheard
    call.play(1, level=0.1)
    assert call.rows[-1].observation.rewind_room_frames == 12 - unheard + 1


@pytest.mark.parametrize("young", range(1, TurnConfig().withdraw_frames - 1))
def test_an_answer_that_is_withdrawn_is_forgotten_whole(young):
    call = Call()
    call.answer(young)
    begun = next(i for i, row in enumerate(call.rows) if row.observation.text is Text.WORD)
    (plan,) = call.play(1, "near", level=0.1)
    assert call.rows[-1].decision.reason is Reason.AGENT_WITHDRAWS
    steps = len(call.rows) - 1 - (begun - 3)  # with EPAD, and what may stand before the first word
    assert len(plan.repeats) == min(steps, MAX_REWIND_FRAMES)
    assert plan.forget_steps == steps - len(plan.repeats)
    # what was forgotten is older than what is heard again
    again = [repeat.user_codes for repeat in plan.repeats]
    assert again == call.given[-1 - len(again) : -1]
    assert all(repeat.is_silent for repeat in plan.repeats)
    call.play(1)
    room = call.rows[-1].observation.rewind_room_frames
    assert room == min(MAX_RESUME_FRAMES, MAX_RESUME_FRAMES - plan.forget_steps + 1)


def test_an_answer_that_is_withdrawn_again_and_again_is_no_loop():
    call = Call()
    for _ in range(6):
        call.answer(3)
        call.play(4, "near", level=0.1)
    assert [row.decision.reason for row in call.rows].count(Reason.AGENT_WITHDRAWS) == 6
    assert "stuck" not in call.states


def test_ducked_agent_is_softer_and_the_trace_knows_how_loud_it_was(call):
    call.answer()
    call.play(5, "near", level=0.1)
    last = call.spoken[-1]
    assert last.pcm[-1] == pytest.approx(0.05, rel=0.01)
    assert last.turn["generated_dbfs"] == pytest.approx(-20)
    assert call.spoken[0].turn["generated_dbfs"] is None
    assert call.turns.played is last.pcm


def test_agent_that_never_answers_starts_afresh_once(call):
    call.play(1)
    call.play(8, "near", heard=" plus")
    plans = call.play(110)
    (at,) = [index for index, plan in enumerate(plans) if plan.is_fresh]
    assert call.rows[9 + at].decision.events == (Event.RESET_CONTEXT,)
    assert call.rows[9 + at + 1].observation.rewind_room_frames == 1


def test_words_that_nobody_hears_are_not_said():
    call = Call()
    call.answer()
    call.play(2, "near", WORD, level=0.1)
    call.play(3, "near", WORD, level=0.1)
    assert [frame.is_said for frame in call.spoken[-5:]] == [True, True, False, False, False]


def test_words_that_the_agent_says_again_are_said_once():
    call = Call()
    call.answer()
    call.play(1, "near", WORD, level=0.1)
    call.resume()
    assert call.plans[-1].forget_steps == 7  # with the word, and that had gone out
    call.play(2, token=WORD, level=0.1)
    assert [frame.is_said for frame in call.spoken[-2:]] == [False, True]


def test_words_that_the_agent_says_a_third_time_are_said_once_too():
    call = Call()
    call.answer()
    call.play(1, "near", WORD, level=0.1)
    for _ in range(2):
        call.resume_with_a_word()
        assert not call.spoken[-1].is_said
    call.play(1, token=WORD, level=0.1)
    assert call.spoken[-1].is_said


def test_a_word_that_is_taken_back_and_said_again_is_no_loop():
    call = Call()
    call.answer()
    call.play(1, "near", WORD, level=0.1)
    for _ in range(6):
        call.resume_with_a_word()
    assert "stuck" not in call.states


def test_no_agent_resumes_from_farther_back_than_the_model_can_go():
    assert MAX_REWIND_FRAMES <= MAX_RESUME_FRAMES <= ROLLBACK_STEPS


def test_row_of_the_frame_is_the_trace_of_it(call):
    call.answer()
    for row, frame in zip(call.rows, call.spoken, strict=True):
        assert frame.turn["policy"] == "on"
        assert from_json(row.to_json()) == row
        assert frame.turn["row"] == row.to_dict()


def test_shadow_decides_the_same_and_does_nothing():
    call, shadow = Call(), Call("shadow")
    for one in (call, shadow):
        one.answer()
        one.play(13, "near", level=0.1)
    assert shadow.states == call.states
    assert "yield" in shadow.states
    assert set(shadow.plans) == {Plan()}
    assert {(f.generation, f.is_flush, f.is_gated) for f in shadow.spoken} == {(0, False, False)}
    assert all(frame.pcm.max() == frame.pcm.min() for frame in shadow.spoken)
    assert {frame.turn["generated_dbfs"] for frame in shadow.spoken} == {None}


def test_agent_that_repeats_itself_is_seen(call):
    call.answer()
    for _ in range(5):
        call.play(1, token=WORD, level=0.1)
    assert call.rows[-1].observation.repeats == 5
    assert call.states[-1] == "stuck"


def test_answers_to_several_questions_may_be_the_same():
    call = Call()
    for _ in range(6):
        call.answer()
        call.play(14)
    assert call.rows[-1].observation.repeats == 1
    assert "stuck" not in call.states


def test_an_agent_that_repeats_itself_between_silences_is_seen():
    call = Call()
    call.answer()
    for _ in range(4):
        call.play(8)
        call.play(1, token=WORD, level=0.1)
    call.play(2)
    assert Event.LOOP in {event for row in call.rows for event in row.decision.events}


def test_an_announcement_behind_a_loop_is_made():
    call = Call()
    call.answer()
    for _ in range(5):
        call.play(1, token=WORD, level=0.1)
    assert call.states[-1] == "stuck"
    call.play(2, "near")  # a noise, and no turn
    call.play(45)
    assert call.states[-1] == "listen"
    call.announce(12)
    assert call.states[-6:] == ["speak"] * 6


def test_a_word_that_was_to_be_said_again_and_was_not_is_told_in_the_next_answer():
    call = Call()
    call.answer()
    call.play(1, "near", WORD, level=0.1)
    call.resume()
    call.play(12)  # it does not go on
    before = len(call.spoken)
    call.answer(1)
    seen = [row.observation.text for row in call.rows]
    assert call.spoken[seen.index(Text.WORD, before) - 1].is_said  # a word is seen a frame later


def test_an_announcement_takes_the_floor_and_gives_it_back(call):
    call.play(2)
    call.announce(12)
    call.play(12)
    assert call.states[3:14] == ["speak"] * 11
    assert call.states[-1] == "listen"
    assert {frame.is_said for frame in call.spoken[2:14]} == {True}
    assert call.rows[3].observation.text is Text.WORD


def test_an_announcement_that_is_interrupted_is_not_gone_on_with():
    call = Call(withdraw_frames=0)
    call.announce(12)
    call.announce(2, "near", heard=" stop")
    plans = call.announce(14, "near")
    at = call.states.index("yield")
    assert call.plans[at].is_flush
    assert not any(plan.is_floor_lost for plan in call.plans[: at + 1])
    assert any(plan.is_floor_lost for plan in plans)
    assert not call.spoken[at + 1].is_said


def test_an_announcement_is_withdrawn_where_the_user_goes_on(call):
    call.announce(3)
    (plan,) = call.announce(1, "near")
    assert call.states[-1] == "listen"
    assert (plan.is_floor_lost, plan.is_flush) == (True, True)


def test_an_announcement_goes_on_behind_a_backchannel_where_it_was_last_heard():
    call = Call()
    call.announce(12)
    call.announce(4, "near", heard=" okay")
    plans = call.announce(3)
    assert call.states[-1] == "speak"
    assert sum(plan.forget_steps for plan in plans) >= 4
    assert not any(plan.is_floor_lost for plan in call.plans)


def test_an_announcement_is_not_taken_for_repetition():
    call = Call()
    call.announce(40)
    assert call.rows[-1].observation.repeats <= 1
