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


def test_a_spliced_question_keeps_its_beginning_or_its_end(rng):
    question = "what is five plus six"
    drawn = [spliced(question, rng) for _ in range(300)]
    begin = [text for text, kept in drawn if text.startswith(f"{kept} ")]
    end = [text for text, kept in drawn if text.endswith(f" {kept}")]
    assert len(begin) + len(end) >= 300
    assert len(begin) > len(end) > 30
    assert all(question.startswith(kept) or question.endswith(kept) for _, kept in drawn)
    assert all(kept != question for _, kept in drawn)
