from collections import Counter

import numpy as np
import pytest

from voiceagent.scenes.domain import REFUSAL
from voiceagent.serving.facts import time_words
from voiceagent.training import bank
from voiceagent.training.bank import bank_shard, bank_texts, load_bank


def test_bank_texts_hold_every_sentence_once_before_any_twice():
    texts = bank_texts()
    counts = Counter(texts)
    assert len(set(texts[: len(counts)])) == len(counts)
    assert counts[REFUSAL] == counts["mm hm"] == 8
    assert counts["two plus three is five"] == 4
    assert time_words(3, 7) not in counts


@pytest.mark.slow
def test_bank_shard_comes_back_as_sound_words_and_codes(toy_codec, monkeypatch):
    monkeypatch.setattr(bank, "SENTENCES_PER_SHARD", 3)
    shard = bank_shard(toy_codec, 0)
    speaker = load_bank(toy_codec, [shard])
    text = bank_texts()[1]
    rendering = speaker.rendering(text, 0)
    utterance = rendering.utterance
    assert " ".join(word.text for word in utterance.words) == text
    assert utterance.words[-1].end_ms == utterance.duration_ms
    assert len(rendering.codes) == -(-len(utterance.pcm) // 1920) + 1
    assert speaker.say(text, 5) is utterance


@pytest.mark.slow
def test_bank_speaks_what_it_does_not_hold_and_keeps_it(toy_codec):
    speaker = load_bank(toy_codec, [])
    first = speaker.rendering("it is ten oh five", 3)
    assert speaker.rendering("it is ten oh five", 4) is first
    assert first.codes.dtype == np.uint8
