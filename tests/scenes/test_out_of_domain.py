from voiceagent.scenes.domain import in_domain_turns
from voiceagent.scenes.out_of_domain import HELD_OUT_SENTENCES, sample_out_of_domain, spliced


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


def test_a_spliced_question_keeps_its_beginning_or_its_end_and_never_both(rng):
    question = "what is five plus six"
    drawn = [spliced(question, rng) for _ in range(300)]
    begin = [text for text in drawn if text.startswith("what ") and not text.endswith(" six")]
    end = [text for text in drawn if text.endswith(" six")]
    assert len(begin) > len(end) > 30
    assert question not in drawn


def test_one_word_gets_something_behind_it(rng):
    assert all(spliced("hello", rng).startswith("hello ") for _ in range(20))
