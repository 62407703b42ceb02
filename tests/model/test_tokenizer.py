import pytest

from voiceagent.errors import ConfigError
from voiceagent.model.tokenizer import PieceTokenizer, WordTokenizer
from voiceagent.testing.random_moshi import write_tokenizer

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


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    path = tmp_path_factory.mktemp("pieces") / "spm.model"
    write_tokenizer(path, 80)
    return path


def test_pieces_of_a_sentence_join_to_it(pieces):
    tokenizer = PieceTokenizer(pieces, 80)
    tokens = tokenizer.encode("hello there")
    assert all(isinstance(token, int) for token in tokens)
    assert "".join(map(tokenizer.piece, tokens)) == " hello there"


def test_pieces_that_are_silent_or_special_are_none(pieces):
    tokenizer = PieceTokenizer(pieces, 80)
    assert [tokenizer.piece(token) for token in (0, 1, 2, 3, -1, 80)] == [None] * 6


def test_tokenizer_of_another_model_names_both_sizes(pieces):
    with pytest.raises(ConfigError, match=r"has 80 pieces, the decoder 32000 text tokens"):
        PieceTokenizer(pieces, 32000)


def test_tokenizer_that_is_missing_or_broken_names_the_file(tmp_path):
    with pytest.raises(ConfigError, match=r"a\.model: no such file"):
        PieceTokenizer(tmp_path / "a.model", 80)
    (tmp_path / "b.model").write_bytes(b"nonsense")
    with pytest.raises(ConfigError, match=r"b\.model: not a SentencePiece model"):
        PieceTokenizer(tmp_path / "b.model", 80)


def test_token_is_that_of_exactly_this_piece(pieces):
    words = WordTokenizer(("<pad>", "<time>", "A", "a"))
    assert [words.token(piece) for piece in ("<time>", "A", "a", "<day>")] == [1, 2, 3, None]
    tokenizer = PieceTokenizer(pieces, 80)
    assert tokenizer.token("<s>") == 1
    assert tokenizer.token("<time>") is None
