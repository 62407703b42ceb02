from voiceagent.model.tokenizer import WordTokenizer
from voiceagent.training.vocabulary import EPAD, PAD, UNKNOWN_WORD, token_id, tokens


def test_tokens_begin_with_silence_and_start_and_end_with_unknown():
    assert (tokens()[PAD], tokens()[EPAD], tokens()[-1]) == ("<pad>", "<epad>", UNKNOWN_WORD)


def test_requests_are_tokens_that_are_never_spoken():
    tokenizer = WordTokenizer(tokens())
    assert [tokenizer.piece(token_id(name)) for name in ("<ask>", "<time>", "<day>")] == [None] * 3


def test_token_id_tells_letters_from_words_and_knows_the_unknown():
    assert token_id("A") != token_id("a") != token_id("zebra") == len(tokens()) - 1
