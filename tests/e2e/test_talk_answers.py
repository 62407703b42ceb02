"""The embedded agent, end to end, in a voice it was never trained on: few cases of each kind.

`benchmarks/bench_talk.py` has the figures; here is only what must never break.
"""

import numpy as np
import pytest

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.scenes import Expected, Line, Rendered, Script, make_script, render
from voiceagent.scenes.domain import turn_for
from voiceagent.scenes.noise import white_noise
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.engine import Engine
from voiceagent.serving.playback import Playback, play
from voiceagent.testing.recogniser import Recogniser
from voiceagent.testing.words import word_accuracy

pytestmark = pytest.mark.slow

HELD_OUT_VOICE = "flite:kal"
QUESTIONS = ("what is three plus four", "when do you open on monday", "can you hear me")
NOISE_DBFS = (-60.0, -46.0, -34.0)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load("nano", EngineConfig(num_slots=4))


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    pytest.importorskip("faster_whisper")
    return Recogniser()


def question(text: str) -> Script:
    line = Line(kind="question", channel="user", speaker=HELD_OUT_VOICE, text=text, offset_ms=600)
    return Script(
        id="question",
        scene_class="question",
        seed=1,
        lines=(line,),
        expected=Expected(answers=(turn_for(text).agent_text,)),
        tail_ms=4500,
    )


@pytest.fixture(scope="module")
def answers(engine) -> dict[str, Playback]:
    recordings = [render(question(text)).user for text in QUESTIONS]
    return dict(zip(QUESTIONS, play(engine, recordings), strict=True))


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question_in_an_unseen_voice_is_understood_and_answered(answers, text):
    assert answers[text].heard_text() == text
    assert answers[text].said_text() == turn_for(text).agent_text


def test_the_sound_of_the_answers_is_recognised_as_their_text(answers, recogniser):
    heard = [recogniser.transcribe(answers[text].agent) for text in QUESTIONS]
    assert word_accuracy([turn_for(text).agent_text for text in QUESTIONS], heard) >= 0.9


def test_silence_and_noise_get_no_word_and_no_sound(engine):
    num_samples = 10 * SAMPLE_RATE_HZ
    rng = np.random.default_rng(5)
    recordings = [white_noise(rng, num_samples, dbfs) for dbfs in NOISE_DBFS]
    for playback in play(engine, [np.zeros(num_samples, np.float32), *recordings]):
        assert playback.said_text() == ""
        assert playback.sound_from_ms() is None


def played(engine: Engine, scene_class: str) -> tuple[Rendered, Playback, int]:
    rendered = render(make_script(scene_class, 2, voice=HELD_OUT_VOICE))
    onset_ms = rendered.scene.of_kind(scene_class)[0].start_ms
    [playback] = play(engine, [rendered.user])
    sound_ms = playback.sound_from_ms(onset_ms - 200)
    assert sound_ms is not None
    assert sound_ms < onset_ms, "the agent is not talking when the overlap begins"
    return rendered, playback, onset_ms


def test_an_interrupted_agent_is_silent_within_600_ms_and_answers_what_was_asked(engine):
    rendered, playback, onset_ms = played(engine, "interruption")
    silent_ms = playback.silent_from_ms(onset_ms)
    assert silent_ms is not None
    assert silent_ms - onset_ms <= 600
    first, second = rendered.scene.expected.answers
    assert first not in playback.said_text()
    assert playback.said_text().endswith(second)


def test_a_backchannel_does_not_stop_the_agent(engine):
    rendered, playback, _ = played(engine, "backchannel")
    assert playback.said_text() == rendered.scene.expected.answers[0]
