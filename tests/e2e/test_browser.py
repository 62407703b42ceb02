"""Conversations in real Chromium, with the page, the gateway and the engine as a user has them.

In a voice the model was never trained on, a few of each kind: how often the model understands is
the matter of `benchmarks/bench_browser.py`, here the page must do right whenever it did. Limits of
time are loose: another program may be using the machine.
"""

import sys
from pathlib import Path

import pytest

from voiceagent.records.store import RecordStore
from voiceagent.scenes.domain import turn_for
from voiceagent.testing.recogniser import Recogniser
from voiceagent.testing.words import normalise, word_accuracy

sys.path.append(str(Path(__file__).parent.parent.parent / "benchmarks"))
from browser_call import Echo, converse, missing, served
from browser_talk import (
    interruption,
    microphone,
    question,
    take_apart,
    uh_huh,
)

pytestmark = pytest.mark.slow

HELD_OUT_VOICE = "flite:kal"
INTERRUPTION_SEEDS, UH_HUH_SEEDS = (6, 7, 8), (10, 11, 12)


def ask(text):
    return question(turn_for(text), HELD_OUT_VOICE, 1)


def held(url, *calls, **options):
    """The scenes of each call, all calls at once."""
    found = converse(url, [microphone(scenes) for scenes in calls], **options)
    return [take_apart(call, scenes) for call, scenes in zip(found, calls, strict=True)]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="module")
def url(records):
    if lack := missing():
        pytest.skip(lack)
    with served(records, "--slots", "2") as url:
        yield url


@pytest.fixture(scope="module")
def talks(url):
    """One conversation: a question, interruptions, and "uh huh"."""
    scenes = [ask("what is three plus four")]
    scenes += [interruption(seed, HELD_OUT_VOICE) for seed in INTERRUPTION_SEEDS]
    [talks] = held(url, scenes + [uh_huh(seed, HELD_OUT_VOICE) for seed in UH_HUH_SEEDS])
    return talks


def spoken_over(talks, kind):
    """Those in which the agent was giving the right answer when the user spoke, and when that was.

    It is once in three times at the least, or something is broken.
    """
    scenes = [(talk, talk.scene.of_kind(kind)) for talk in talks]
    onsets = [(talk, events[0].start_ms) for talk, events in scenes if events]
    found = [(talk, onset_ms) for talk, onset_ms in onsets if talk.is_answering(onset_ms)]
    assert found, [talk.shown("agent") for talk, _ in onsets]
    return found


@pytest.fixture(scope="module")
def recogniser():
    return Recogniser()


def is_heard(sound, answer):
    """Whether that is the answer, but for a word that the recogniser takes for another."""
    return word_accuracy([answer], [sound]) >= 0.75


def test_a_question_in_an_unseen_voice_is_answered_in_text_and_sound(talks, recogniser):
    asked = talks[0]
    assert asked.shown("user") == "what is three plus four"
    assert asked.shown("agent") == "three plus four is seven"
    assert is_heard(recogniser.transcribe(asked.agent), "three plus four is seven")


def test_the_page_reaches_nothing_but_loopback_and_has_no_error(talks):
    assert talks[0].call.complaints == ()


def test_the_conversation_is_recorded(talks, records):
    store = RecordStore(records)
    words = [frame.said.strip() for frame in store.trace(store.ids()[0]) if frame.said]
    assert " ".join(words[:5]) == "three plus four is seven"


def test_an_interrupted_agent_falls_silent(talks):
    for interrupted, onset_ms in spoken_over(talks, "interruption"):
        silent_ms = interrupted.silent_from_ms(onset_ms)
        assert silent_ms - onset_ms <= 1500
        assert interrupted.answer not in interrupted.shown("agent", silent_ms)


def test_uh_huh_does_not_stop_the_agent(talks, recogniser):
    murmured = [talk for talk, _ in spoken_over(talks, "backchannel")]
    finished = [talk for talk in murmured if talk.shown("agent") == talk.answer]
    assert finished, [talk.shown("agent") for talk in murmured]
    heard = [(normalise(recogniser.transcribe(talk.agent)), talk.answer) for talk in finished]
    to_the_end = [words[-1:] == normalise(answer)[-1:] for words, answer in heard]
    assert 2 * sum(to_the_end) >= len(heard), heard  # the recogniser may take a word for another


def test_an_agent_that_hears_itself_goes_on(url):
    texts = ("can you help me", "when do you open on monday")
    [talks] = held(url, [ask(text) for text in texts], echo=Echo())
    said = [(talk.shown("agent").split(), talk.answer.split()) for talk in talks]
    assert any(words == answer for words, answer in said), said
    is_cut = [
        0 < len(words) < len(answer) for words, answer in said if words == answer[: len(words)]
    ]
    assert not any(is_cut), said


def test_of_two_browsers_at_once_neither_hears_the_other(url, recogniser):
    texts = ("can you hear me", "when do you open on monday")
    for text, [talk] in zip(texts, held(url, *([ask(text)] for text in texts)), strict=True):
        answer = turn_for(text).agent_text
        assert (talk.shown("user"), talk.shown("agent")) == (text, answer)
        assert is_heard(recogniser.transcribe(talk.agent), answer)


def test_a_reload_in_mid_sentence_frees_the_slot_and_the_new_page_talks(url, records):
    before = RecordStore(records).ids()
    [[talk]] = held(url, [ask("can you help me")], reloads=True)
    assert talk.answer.startswith(talk.call.cut)
    assert talk.answer != talk.call.cut
    assert talk.call.freed_ms <= 5000
    assert talk.shown("agent") == talk.answer
    cut_id, _ = RecordStore(records).ids()[len(before) :]
    assert RecordStore(records).summary(cut_id).end_reason == "the client hung up"
