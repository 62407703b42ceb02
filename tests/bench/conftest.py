"""Hand-made words, stretches and recordings for the bench."""

import numpy as np
import pytest

from voiceagent.bench.transcript import TimedWord


def timed(*words: tuple) -> tuple[TimedWord, ...]:
    """Words from ("text", start, end) or (start, end)."""
    return tuple(
        TimedWord(*word) if isinstance(word[0], str) else TimedWord("word", *word) for word in words
    )


@pytest.fixture
def words():
    return timed


@pytest.fixture
def noise():
    """Sound that is no speech: f32[N] of so many seconds."""

    def make(seconds: float, rate_hz: int = 16_000) -> np.ndarray:
        rng = np.random.default_rng(0)
        return (0.1 * rng.standard_normal(round(seconds * rate_hz))).astype(np.float32)

    return make
