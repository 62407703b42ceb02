import numpy as np
import pytest

from voiceagent.model.checkpoint import NANO_FOLDER
from voiceagent.scenes import DialogueShares, make_dialogue
from voiceagent.scenes.render import Composed
from voiceagent.scenes.utterance import Utterance, Word
from voiceagent.training import evaluate as module
from voiceagent.training.evaluate import Call, evaluate, exchanges, held_out_call, transcript


def composed_call(seed):
    """A call with made-up times: every line lasts a second and follows the one before."""
    script = make_dialogue(seed, shares=DialogueShares(held=0.0))
    spoken = tuple(
        Utterance(np.zeros(24_000, np.float32), tuple(Word(w, 0, 1000) for w in line.text.split()))
        for line in script.lines
    )
    spans = tuple((2000 * i, 2000 * i + 1000) for i in range(len(script.lines)))
    pcm = np.zeros(48_000 * (len(spans) + 1), np.float32)
    return Call(script, Composed(spoken, spans, pcm, pcm), pcm)


def test_exchanges_are_whole_answers_from_question_to_next_question():
    call = composed_call(4)
    found = exchanges(call)
    answers = [line for line in call.script.lines if line.kind == "answer"]
    assert 0 < len(found) <= len(answers)
    assert {exchange.answer for exchange in found} <= {line.text for line in answers}
    assert all(exchange.asked_ms < exchange.until_ms for exchange in found)


def test_exchanges_leave_out_what_is_cut_short_and_what_the_clock_knows():
    for seed in range(40):
        call = composed_call(seed)
        lines = call.script.lines
        cut = [lines[line.cuts].text for line in lines if line.cuts is not None]
        times = [exchange.answer for exchange in exchanges(call)]
        assert not any(text.startswith(("it is ", "today is ")) for text in times)
        assert len(times) <= sum(line.kind == "answer" for line in lines) - len(cut)


def test_transcript_is_what_was_said_to_the_agent():
    call = composed_call(4)
    addressed = [
        line.text
        for line in call.script.lines
        if line.channel == "user" and (line.addressed or line.kind == "backchannel")
    ]
    assert transcript(call).split() == " ".join(addressed).split()


@pytest.mark.slow
def test_evaluate_of_the_shipped_model_counts_every_exchange():
    calls = [held_out_call(seed) for seed in range(2)]
    figures = evaluate(NANO_FOLDER, calls)
    assert figures["calls"] == 2
    assert figures["in_domain"] + figures["outside"] == sum(len(exchanges(c)) for c in calls)
    assert 0 <= figures["in_domain_exact"] <= 1


def test_held_out_seeds_are_none_that_training_draws():
    assert module.FIRST_HELD_OUT_SEED > 1 << 31
