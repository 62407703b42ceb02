import pytest

from voiceagent.scenes import domain


def test_number_words_spell_units_teens_and_tens():
    words = [domain.number_words(n) for n in (0, 7, 13, 20, 42, 99)]
    assert words == ["zero", "seven", "thirteen", "twenty", "forty two", "ninety nine"]


@pytest.mark.parametrize("number", [-1, 100])
def test_number_words_outside_their_range_are_refused(number):
    with pytest.raises(ValueError, match="number"):
        domain.number_words(number)


@pytest.mark.parametrize(
    ("user_text", "agent_text"),
    [
        ("what is two plus three", "two plus three is five"),
        ("nine plus nine", "nine plus nine is eighteen"),
        ("when do you open on monday", "on monday we are open from nine to five"),
        ("what about saturday", "on saturday we are open from ten to two"),
        ("are you open on sunday", "sorry we are closed on sunday"),
        ("my name is anna", "nice to meet you anna"),
        ("hello", "hello how can i help you"),
        ("thanks a lot", "you are welcome"),
        ("see you later", "goodbye have a nice day"),
        ("how are you today", "i am fine thank you"),
        ("are you there", "yes i can hear you"),
        ("what can you do", "i can add numbers and tell you our opening hours"),
        ("order a pizza", "sorry i can not help with that yet"),
    ],
)
def test_turn_for_a_text_has_the_trained_answer(user_text, agent_text):
    assert domain.turn_for(user_text).agent_text == agent_text


def test_domain_has_the_trained_vocabulary_and_sentences():
    assert len(domain.vocabulary()) == 112
    assert len(domain.agent_sentences()) == 133


@pytest.mark.parametrize("intent", domain.INTENTS)
def test_sample_turn_of_an_intent_agrees_with_turn_for(rng, intent):
    for _ in range(20):
        turn = domain.sample_turn(rng, intent)
        assert turn == domain.turn_for(turn.user_text)
        assert turn.intent == intent


def test_sample_turn_without_intent_draws_every_intent(rng):
    drawn = {domain.sample_turn(rng).intent for _ in range(400)}
    assert drawn == set(domain.INTENTS)


def test_sample_in_domain_turn_never_leaves_the_domain(rng):
    drawn = {domain.sample_in_domain_turn(rng).intent for _ in range(400)}
    assert drawn == set(domain.IN_DOMAIN_INTENTS)


def test_sample_turn_of_an_unknown_intent_names_the_known(rng):
    with pytest.raises(ValueError, match="greet, add"):
        domain.sample_turn(rng, "sing")


def test_in_domain_turns_hold_each_text_once():
    texts = [turn.user_text for turn in domain.in_domain_turns()]
    assert len(texts) == len(set(texts)) == 606
