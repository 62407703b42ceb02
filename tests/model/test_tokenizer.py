import pytest

from voiceagent.errors import ConfigError
from voiceagent.model.tokenizer import WordTokenizer

WORDS = ["<pad>", "<epad>", "hello", "there", "<unk>"]


def test_piece_of_a_word_has_its_leading_space_and_special_tokens_none():
    tokenizer = WordTokenizer(WORDS)
    assert [tokenizer.piece(i) for i in range(6)] == [
        None,
        None,
        " hello",
        " there",
        " <unk>",
        None,
    ]


def test_encode_maps_words_and_marks_unknown_ones():
    assert WordTokenizer(WORDS).encode("There hello stranger") == [3, 2, 4]


@pytest.mark.parametrize("words", [["a", "a"], ["a", ""]])
def test_vocabulary_with_repeated_or_empty_words_is_refused(words):
    with pytest.raises(ConfigError, match="unique and not empty"):
        WordTokenizer(words)
