import pytest

from voiceagent.training.lexicon import lexicon


@pytest.mark.slow
def test_lexicon_is_thousands_of_plain_words():
    words = lexicon()
    assert len(words) > 20_000
    assert {"seven", "garden", "weather"} <= set(words)
    assert all(word.isalpha() and word.islower() for word in words)
