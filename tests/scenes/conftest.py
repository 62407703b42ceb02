from dataclasses import dataclass

import numpy as np
import pytest

from voiceagent.scenes.utterance import SAMPLES_PER_MS, Utterance, Word

WORD_MS, GAP_MS = 200, 50


@dataclass(frozen=True)
class ToneSpeaker:
    """Says every word as 200 ms of tone, 50 ms apart: speech without a synthesiser."""

    id: str
    kind: str = "tone"

    def say(self, text, take=0):
        words, end_ms = [], 0
        for i, token in enumerate(text.split()):
            start_ms = i * (WORD_MS + GAP_MS)
            end_ms = start_ms + WORD_MS
            words.append(Word(token, start_ms, end_ms))
        pcm = np.zeros(end_ms * SAMPLES_PER_MS, np.float32)
        tone = 0.5 * np.sin(np.arange(WORD_MS * SAMPLES_PER_MS) * 0.1)
        for word in words:
            pcm[word.start_ms * SAMPLES_PER_MS :][: len(tone)] = tone
        return Utterance(pcm, tuple(words))


@pytest.fixture
def tone_speaker():
    return ToneSpeaker


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def assert_honest_words():
    """Words are the text in order, inside the sound, and most of the energy is inside them."""

    def check(utterance, text, least_share=0.9):
        words = utterance.words
        assert [word.text for word in words] == text.split()
        bounds = [time for word in words for time in (word.start_ms, word.end_ms)]
        assert bounds == sorted(bounds)
        assert bounds[0] >= 0
        assert bounds[-1] == utterance.duration_ms
        energy = np.square(utterance.pcm, dtype=np.float64)
        inside = sum(
            energy[w.start_ms * SAMPLES_PER_MS : w.end_ms * SAMPLES_PER_MS].sum() for w in words
        )
        assert inside >= least_share * energy.sum()

    return check
