import dataclasses
import datetime
import itertools
from pathlib import Path

import numpy as np
import pytest
from voiceagent_codec.int8 import Int8Linear

from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.errors import AtCapacity, DetectorUnavailable, PromptRefused, SessionClosed
from voiceagent.model.decoder import Decoder
from voiceagent.model.tokenizer import WordTokenizer
from voiceagent.serving.announcement import AnnouncedFrame, announced_frames
from voiceagent.serving.config import EngineConfig, ObserveConfig, SessionOptions
from voiceagent.serving.engine import Engine
from voiceagent.serving.requests import CLOSING_STEPS
from voiceagent.serving.steering import Plan
from voiceagent.serving.turn_slot import SlotTurns
from voiceagent.training.vocabulary import token_id, tokens
from voiceagent.turntaking.config import TurnConfig


class TickingClock:
    """Every look is 5 ms later."""

    def __init__(self):
        self.time_us = 0

    def now_us(self):
        self.time_us += 5_000
        return self.time_us


@pytest.fixture
def engine(nano, nano_codec, nano_decoder):
    config = EngineConfig(num_slots=2, retry_after_s=3)
    return Engine(nano_codec, nano_decoder, nano.tokenizer(), config, TickingClock())


def frame(level=0.1):
    return np.full(1920, level, np.float32)


def test_open_session_beyond_the_slots_says_when_to_retry(engine):
    engine.open_session(), engine.open_session()
    with pytest.raises(AtCapacity, match="all 2 slots are taken; retry in 3 s"):
        engine.open_session()


def test_close_frees_the_slot_and_ends_the_session(engine):
    session = engine.open_session()
    engine.close(session)
    assert engine.num_free == 2
    with pytest.raises(SessionClosed):
        engine.close(session)


def test_step_without_a_complete_frame_does_nothing(engine):
    engine.open_session().push(frame()[:1919])
    assert engine.step() == []
    assert engine.metrics.steps == 0


def test_step_advances_exactly_the_sessions_with_a_complete_frame(engine):
    ready, waiting = engine.open_session(), engine.open_session()
    ready.push(np.concatenate([frame(), frame()]))
    waiting.push(frame()[:500])
    frames = engine.step() + engine.step() + engine.step()
    assert [(f.session, f.step, f.time_ms) for f in frames] == [(ready, 0, 0), (ready, 1, 80)]
    assert waiting.steps == 0


def test_step_is_timed_by_the_given_clock_and_counted(engine):
    session = engine.open_session()
    session.is_gate_closed = True
    session.push(frame())
    (result,) = engine.step()
    assert result.is_gated
    assert engine.metrics.step_times().p50_us == 5_000
    assert (engine.metrics.frames, engine.metrics.gated_frames) == (1, 1)


def test_frame_carries_samples_and_probabilities(engine):
    session = engine.open_session()
    session.push(frame())
    (result,) = engine.step()
    assert result.pcm.shape == (1920,)
    assert result.pcm.dtype == np.float32
    assert 0 <= result.p_pad <= 1
    assert len(result.agent_codes) == 8


def test_engine_reports_the_memory_of_its_states(engine):
    assert 2 * 2**20 < engine.state_bytes() < 8 * 2**20


def test_load_by_name_gives_one_slot_of_the_embedded_model():
    engine = Engine.load()
    engine.open_session()
    assert engine.num_free == 0


@pytest.mark.parametrize("is_fast", [False, True])
def test_ear_is_heard_with_in_8_bits_where_the_cpu_is_fast_at_it(is_fast, monkeypatch):
    monkeypatch.setattr("voiceagent.serving.device.int8_is_fast", lambda: is_fast)
    codec = Engine.load("nano", EngineConfig(device="cpu"))._batch.codec
    assert any(isinstance(layer, Int8Linear) for layer in codec.modules()) is is_fast


def test_open_session_that_fails_gives_its_slot_back(engine, monkeypatch):
    def fail(slot, sampling, seed):
        raise RuntimeError

    monkeypatch.setattr(engine._batch, "begin", fail)
    with pytest.raises(RuntimeError):
        engine.open_session()
    assert engine.num_free == 2


def test_session_that_was_closed_takes_no_more_sound(engine):
    session = engine.open_session()
    engine.close(session)
    with pytest.raises(SessionClosed):
        session.push(frame())


def test_gate_closes_below_70_dbfs_unless_told_otherwise():
    assert EngineConfig().gate_below_dbfs == -70


def test_engine_whose_model_takes_no_prompts_goes_on_without_them(engine):
    session = engine.open_session(SessionOptions(role="sell bread", voice="anna"))
    assert (session.is_prompted, session.is_preparing, engine.preparing) == (False, False, None)
    assert (engine.is_promptable, engine.voice_ids()) == (False, ())


@pytest.fixture(scope="module")
def promptable(promptable_folder):
    return Engine.load(promptable_folder, EngineConfig(num_slots=2, device="cpu"))


@pytest.fixture
def told(promptable):
    """An engine without sessions that takes prompts."""
    yield promptable
    for session in list(promptable._sessions.values()):
        promptable.close(session)


def prepared(engine, session):
    pieces = 0
    while session.is_preparing:
        assert engine.preparing is not None
        engine.prepare()
        pieces += 1
    return pieces


@pytest.mark.slow
def test_session_with_a_prompt_prepares_once_and_the_next_one_joins_at_once(told):
    first = told.open_session(SessionOptions(role="sell bread"))
    assert (first.is_prompted, told.step()) == (True, [])
    assert prepared(told, first) > 12
    second = told.open_session(SessionOptions(role="sell bread"))
    assert (second.is_prompted, second.is_preparing) == (True, False)
    first.push(frame())
    second.push(frame())
    assert [answer.step for answer in told.step()] == [0, 0]


@pytest.mark.slow
def test_prompts_are_fed_in_the_order_of_their_sessions(told):
    first = told.open_session(SessionOptions(role="first"))
    second = told.open_session(SessionOptions(role="second"))
    assert told.preparing is first
    while not told.prepare():
        assert told.preparing is first
    assert told.preparing is second


@pytest.mark.slow
def test_session_closed_while_it_prepares_leaves_nothing_to_feed(told):
    session = told.open_session(SessionOptions(role="never told"))
    told.prepare()
    told.close(session)
    assert (told.preparing, told.num_free) == (None, 2)
    fresh = told.open_session()
    assert told._batch.state.decoder.positions[fresh.handle.index] == 0


@pytest.mark.slow
def test_refused_prompt_takes_no_slot(told):
    with pytest.raises(PromptRefused, match="no voice 'anna'"):
        told.open_session(SessionOptions(voice="anna"))
    assert told.num_free == 2


TIME, DAY = token_id("<time>"), token_id("<day>")


def asking_engine(nano_codec, nano_decoder, request_, **options):
    """An engine whose model says nothing but one request, whatever it hears."""
    config = dataclasses.replace(nano_decoder.config, text_cardinality=len(tokens()))
    decoder = Decoder(dataclasses.replace(config, initial_text=len(tokens()))).eval()
    decoder.text_head.weight.zero_()
    decoder.text_head.bias.zero_()
    decoder.text_head.bias[request_] = 9.0
    now = datetime.datetime(2026, 11, 22, 21, 5)
    return Engine(
        nano_codec, decoder, WordTokenizer(tokens()), EngineConfig(**options), now=lambda: now
    )


def answers(engine, session, steps):
    """What a session is given for so many frames of sound."""
    found = []
    for _ in range(steps):
        session.push(frame())
        found += engine.step()
    return found


@pytest.mark.parametrize(
    ("request_", "words"), [(TIME, "it is nine oh five"), (DAY, "today is sunday")]
)
def test_request_is_reported_unsaid_and_then_the_true_words_are_said(
    nano_codec, nano_decoder, request_, words
):
    engine = asking_engine(nano_codec, nano_decoder, request_)
    count = len(words.split())
    first, *rest = answers(engine, engine.open_session(), 1 + count + CLOSING_STEPS + 1)
    assert (first.said, first.request) == (None, tokens()[request_])
    assert "".join(f.said for f in rest[:count]).strip() == words
    silence, again = rest[count:-1], rest[-1]
    assert {(f.said, f.request) for f in silence} == {(None, None)}
    assert again.request == tokens()[request_]


def test_sessions_tell_their_facts_independently_and_a_new_one_owes_nothing(
    nano_codec, nano_decoder
):
    engine = asking_engine(nano_codec, nano_decoder, TIME, num_slots=2)
    one = engine.open_session()
    answers(engine, one, 3)
    other = engine.open_session()
    one.push(frame()), other.push(frame())
    assert [f.said or f.request for f in engine.step()] == [" nine", "<time>"]
    engine.close(one)
    fresh = engine.open_session()
    assert [f.request for f in answers(engine, fresh, 1)] == ["<time>"]


@pytest.mark.parametrize(
    ("plan", "next_"),
    [(Plan(), " oh"), (Plan(forget_steps=2), " is"), (Plan(is_floor_lost=True), "<time>")],
    ids=["goes on", "taken back", "floor lost"],
)
def test_words_of_a_fact_are_taken_back_with_the_steps_that_said_them(
    plan, next_, nano_codec, nano_decoder, monkeypatch
):
    def decide(self, number, cues, playout):
        row, nothing = decided(self, number, cues, playout)
        return row, plan if number == 4 else nothing

    decided = SlotTurns.decide
    monkeypatch.setattr(SlotTurns, "decide", decide)
    observe = ObserveConfig(wait_ms=10_000)
    engine = asking_engine(nano_codec, nano_decoder, TIME, policy="shadow", observe=observe)
    found = answers(engine, engine.open_session(), 5)
    assert [f.said for f in found[1:4]] == [" it", " is", " nine"]
    assert (found[4].said or found[4].request) == next_


def test_time_is_that_of_the_time_zone_in_the_settings(nano_codec, nano_decoder, nano):
    engines = [
        Engine(nano_codec, nano_decoder, nano.tokenizer(), EngineConfig(timezone=zone))
        for zone in ("Asia/Kolkata", "Pacific/Kiritimati")
    ]
    offsets = [engine.now().utcoffset() for engine in engines]
    assert offsets == [datetime.timedelta(hours=5, minutes=30), datetime.timedelta(hours=14)]


# turn-taking

#: A model that is not trusted is held and made to speak, so that every actuator moves.
DISTRUST = TurnConfig(model_trust=0.0)


@pytest.fixture
def make_engine(nano, nano_codec, nano_decoder):
    def make(num_slots=1, turns=DISTRUST, **config):
        # however busy the machine is, nothing is late
        observe = ObserveConfig(wait_ms=10_000)
        config = EngineConfig(num_slots=num_slots, turns=turns, observe=observe, **config)
        return Engine(nano_codec, nano_decoder, nano.tokenizer(), config)

    return make


@pytest.fixture(scope="session")
def question():
    """A question and four seconds for its answer: float32 [T, 1920]."""
    pcm = np.pad(read_wav(QUESTION).pcm, (0, 96_000))
    return pcm[: len(pcm) // 1920 * 1920].reshape(-1, 1920)


def converse(engine, policies, sounds):
    """Sessions side by side, each in a slot; their frames."""
    sessions = [engine.open_session(SessionOptions(policy=policy)) for policy in policies]
    answers = {session: [] for session in sessions}
    for frames in zip(*sounds, strict=True):
        for session, pcm in zip(sessions, frames, strict=True):
            session.push(pcm)
        for answer in engine.step():
            answers[answer.session].append(answer)
    return list(answers.values())


def same(mine, theirs):
    """Whether two sessions were the same to the last bit."""
    names = ("said", "heard", "user_codes", "agent_codes", "entropy", "turn", "generation")
    return all(
        np.array_equal(one.pcm, other.pcm)
        and all(getattr(one, name) == getattr(other, name) for name in names)
        for one, other in zip(mine, theirs, strict=True)
    )


def states(frames):
    return [frame.turn["row"]["decision"]["state"] for frame in frames]


def test_engine_asks_no_turn_taking_unless_it_is_told_to(engine):
    assert EngineConfig().policy == "off"
    session = engine.open_session()
    session.push(frame())
    (result,) = engine.step()
    assert (engine._turns, result.turn, result.generation) == (None, None, 0)


def test_session_may_have_another_policy_than_its_engine(make_engine):
    engine = make_engine(3, policy="shadow")
    for policy in ("off", "", "on"):
        engine.open_session(SessionOptions(policy=policy)).push(frame())
    found = [answer.turn and answer.turn["policy"] for answer in engine.step()]
    assert found == [None, "shadow", "on"]


def test_engine_that_lacks_a_detector_says_so_at_start_or_when_one_is_needed(
    make_engine, monkeypatch
):
    def missing(config):
        raise DetectorUnavailable("Silero VAD", "no such module")

    monkeypatch.setattr("voiceagent.serving.ears.open_vad", missing)
    with pytest.raises(DetectorUnavailable):
        make_engine(policy="shadow")
    engine = make_engine()
    with pytest.raises(DetectorUnavailable):
        engine.open_session(SessionOptions(policy="on"))
    assert engine.num_free == 1
    engine.open_session()


def test_detectors_loaded_beforehand_are_those_of_the_first_session(make_engine, monkeypatch):
    engine = make_engine()
    engine.load_detectors()
    monkeypatch.setattr("voiceagent.serving.engine.Turns", None)  # none is made any more
    engine.open_session(SessionOptions(policy="on"))


@pytest.mark.slow
def test_shadow_changes_no_bit_and_its_trace_is_of_what_happened(make_engine, question):
    (off,) = converse(make_engine(), ["off"], [question])
    (shadow,) = converse(make_engine(), ["shadow"], [question])
    for mine, theirs in zip(shadow, off, strict=True):
        assert np.array_equal(mine.pcm, theirs.pcm)
        assert (mine.agent_codes, mine.said, mine.heard) == (
            *(theirs.agent_codes, theirs.said, theirs.heard),
        )
        assert (mine.p_pad, mine.generation) == (theirs.p_pad, 0)
    for before, after in itertools.pairwise(shadow):
        seen = after.turn["row"]["observation"]
        assert (seen["p_pad"], seen["heard"]) == (before.p_pad, before.heard)
        assert (seen["frame"], seen["is_late"]) == (after.step, False)
    assert {"listen", "user_pause", "speak"} <= set(states(shadow))


@pytest.mark.slow
def test_model_that_is_held_answers_when_it_is_let(make_engine, question):
    (off,) = converse(make_engine(), ["off"], [question])
    (on,) = converse(make_engine(), ["on"], [question])
    first_off, first_on = (
        next(answer.step for answer in answers if answer.said) for answers in (off, on)
    )
    taken = next(answer for answer in on if answer.turn["row"]["decision"]["forced_text"] == "epad")
    assert first_on > first_off
    assert taken.step < first_on
    assert any(answer.turn["row"]["decision"]["pad_bias_nats"] > 1 for answer in on)


@pytest.mark.slow
def test_noise_over_the_agents_speech_reaches_the_model_as_silence(make_engine, question):
    engine = make_engine(turns=TurnConfig())
    noise = np.random.default_rng(0).normal(0, 2e-3, question.shape).astype(np.float32)
    (answers,) = converse(engine, ["on"], [question + noise])
    silence = tuple(engine._batch.codec.user_silence.tolist())
    speaking = [answer for answer in answers if states([answer]) == ["speak"]]
    assert len(speaking) > 10
    assert {answer.user_codes for answer in speaking} == {silence}
    assert all(answer.is_gated for answer in speaking)
    assert engine.metrics.gated_frames >= len(speaking)


@pytest.mark.slow
def test_interrupted_agent_is_silent_at_once_and_its_sound_of_before_void(make_engine, question):
    engine = make_engine(turns=TurnConfig(yield_after_frames=5))
    spoken = np.concatenate([question[:34], question[3:37]])
    (answers,) = converse(engine, ["on"], [spoken])
    at = [answer.is_flush for answer in answers].index(True)
    assert states(answers)[at] == "overlap"  # hushed, before it yields
    assert [(answer.generation, answer.is_flush) for answer in answers[at - 1 : at + 2]] == [
        *((0, False), (1, True), (1, False)),
    ]
    assert answers[at - 1].pcm.any()
    yielded = states(answers).index("yield")
    assert not any(answer.pcm.any() for answer in answers[at + 1 : yielded + 2])
    assert answers[yielded].generation == 2
    assert (engine.metrics.flushes, engine.metrics.rewound_frames > 0) == (2, True)
    decoder = engine._batch.state.decoder
    assert decoder.positions.tolist() == [len(answers)]  # taken again, not taken back


@pytest.mark.slow
def test_sessions_of_all_policies_are_what_each_is_beside_others(make_engine, question):
    policies, rng = ("off", "shadow", "on"), np.random.default_rng(1)
    sounds = [question[:36], question[35::-1], np.roll(question[:36], 5, axis=0)]
    together = converse(make_engine(3), policies, sounds)
    for slot, policy in enumerate(policies):
        beside = [rng.normal(0, 0.1, sound.shape).astype(np.float32) for sound in sounds]
        beside[slot] = sounds[slot]
        others = ["on"] * 3
        others[slot] = policy
        assert same(converse(make_engine(3), others, beside)[slot], together[slot]), policy


def steps_remembered(engine):
    return engine._batch.state.decoder.positions.tolist()


def test_agent_that_starts_afresh_has_forgotten_its_call_and_no_other(make_engine):
    engine = make_engine(2)
    sessions = [engine.open_session() for _ in range(2)]
    for session in sessions:
        session.push(np.tile(frame(), 3))
    for _ in range(3):
        engine.step()
    engine._rewind(2, {sessions[0].handle.index: Plan(is_fresh=True)})
    assert steps_remembered(engine) == [0, 3]


@pytest.mark.slow
def test_agent_that_starts_afresh_knows_its_prompt_still(told, monkeypatch):
    session = told.open_session(SessionOptions(role="sell bread"))
    prepared(told, session)
    slot = session.handle.index
    known = steps_remembered(told)[slot]
    session.push(frame())
    told.step()
    assert steps_remembered(told)[slot] == known + 1
    # its voice was removed meanwhile
    monkeypatch.setattr(told._prompts, "prompt_of", lambda options: pytest.fail("asked again"))
    told._start_afresh(session)
    assert steps_remembered(told)[slot] == known > 0


def test_what_a_listener_reports_moves_the_cursor(make_engine):
    engine = make_engine(policy="shadow")
    session = engine.open_session()
    for step in range(8):
        session.push(frame())
        (answer,) = engine.step()
        if step == 5:
            session.played(80)
    assert answer.turn["row"]["observation"]["heard_frames"] == 2
    assert answer.turn["row"]["observation"]["generated_frames"] == 7


def test_model_that_writes_no_words_of_the_user_is_warned_of(
    nano, nano_codec, make_config, make_decoder, caplog
):
    spec = nano_codec.spec
    config = make_config(
        agent=spec.agent,
        user=spec.user,
        agent_delays=(0,) * 8,
        user_delays=(0,) * 4,
        initial_agent_codes=(256,) * 8,
        initial_user_codes=(256,) * 4,
    )
    engine = Engine(nano_codec, make_decoder(config), nano.tokenizer(), EngineConfig(num_slots=2))
    engine.load_detectors()
    engine.open_session()
    assert not caplog.text
    engine.open_session(SessionOptions(policy="shadow"))
    assert "slot 1: this model does not write" in caplog.text
    assert "needs_words = false" in caplog.text


# announcements

GREETING = " good day"


def announce(session, frames, *, is_held, level=0.1):
    """A greeting of so many frames, with a word in each of the first two."""
    words = [*GREETING.replace(" ", "| ").split("|")[1:], *[None] * frames]
    for place in range(frames):
        made = AnnouncedFrame(frame(level), words[place], place == 0, is_held)
        session.announcement.add(made)


def test_model_is_silent_under_an_announcement_that_holds_it(nano_codec, nano_decoder):
    engine = asking_engine(nano_codec, nano_decoder, token_id("again"))
    session = engine.open_session()
    assert [answer.said for answer in answers(engine, session, 2)] == [" again"] * 2
    announce(session, 4, is_held=True)
    found = answers(engine, session, 5)
    assert [answer.said for answer in found] == [" good", " day", None, None, " again"]
    assert {answer.pcm[-1] for answer in found[:4]} == {np.float32(0.1)}


def test_model_that_is_not_held_breaks_in_with_its_word(nano_codec, nano_decoder):
    engine = asking_engine(nano_codec, nano_decoder, token_id("again"))
    session = engine.open_session()
    announce(session, 4, is_held=False)
    assert [answer.said for answer in answers(engine, session, 2)] == [" again"] * 2
    assert not session.announcement.is_playing


def test_turn_taking_sees_an_announcement_as_the_agents_speech(make_engine):
    engine = make_engine(policy="on", turns=TurnConfig())
    session = engine.open_session()
    announce(session, 12, is_held=True)
    silence = np.zeros(1920, np.float32)
    found = []
    for _ in range(30):
        session.push(silence)
        found += engine.step()
    assert "".join(answer.said or "" for answer in found) == GREETING
    assert set(states(found)[2:12]) == {"speak"}
    assert states(found)[-1] == "listen"
    heard = found[3].turn["row"]["observation"]
    assert (heard["text"], round(heard["agent_dbfs"])) == ("word", -20)


@pytest.mark.slow
def test_greeting_that_is_spoken_over_gives_way_to_the_question_and_its_answer(
    make_engine, question
):
    def greeted(policy):
        engine = make_engine(policy=policy, turns=TurnConfig())
        session = engine.open_session()
        announce(session, 60, is_held=False, level=0.01)
        found = []
        for pcm in question:
            session.push(pcm)
            found += engine.step()
        return found

    for policy in ("on", "off"):
        said = "".join(answer.said or "" for answer in greeted(policy))
        assert said.startswith(GREETING)
        assert said.endswith(" three plus four is seven"), (policy, said)


@pytest.mark.slow
def test_echo_of_an_announcement_is_not_taken_for_the_user(make_engine):
    engine = make_engine(policy="on", turns=TurnConfig())
    session = engine.open_session()
    pcm = read_wav(Path(__file__).parents[2] / "voiceagent/assets/phone/at_capacity.ogg").pcm
    for made in announced_frames(pcm, "all lines are busy", is_held=True):
        session.announcement.add(made)
    rng = np.random.default_rng(0)
    played, found = [np.zeros(1920, np.float32)] * 3, []
    while session.announcement.is_playing:
        noise = rng.normal(0, 3e-4, 1920).astype(np.float32)
        session.push(0.25 * played[-3] + noise)  # 240 ms later, 12 dB fainter
        found += engine.step()
        played.append(found[-1].pcm)
    assert "".join(answer.said or "" for answer in found) == " all lines are busy"
    assert not {"yield", "user_pause", "take"} & set(states(found))
    assert {answer.generation for answer in found} == {0}
    echoed = [answer.turn["row"]["observation"]["echo"] for answer in found]
    assert max(echoed) > 0.8
