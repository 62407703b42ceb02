from voiceagent.scenes.domain import in_domain_turns
from voiceagent.scenes.out_of_domain import HELD_OUT_SENTENCES, sample_out_of_domain


def test_out_of_domain_sentences_are_plain_words(rng):
    for _ in range(200):
        words = sample_out_of_domain(rng).split()
        assert all(word.replace("'", "").isalpha() for word in words)


def test_out_of_domain_sentences_are_never_held_out_or_in_domain(rng):
    drawn = {sample_out_of_domain(rng) for _ in range(20_000)}
    assert not drawn & set(HELD_OUT_SENTENCES)
    assert not drawn & {turn.user_text for turn in in_domain_turns()}


def test_held_out_sentences_are_twenty_and_distinct():
    assert len(set(HELD_OUT_SENTENCES)) == len(HELD_OUT_SENTENCES) == 20
