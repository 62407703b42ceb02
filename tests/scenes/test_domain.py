import pytest

from voiceagent.scenes import domain
from voiceagent.serving.facts import number_words


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
        ("what is twenty minus three", "twenty minus three is seventeen"),
        ("how do you spell anna", "anna is spelled A N N A"),
        ("yes please", "great what can i do for you"),
        ("say that again please", "i have not said anything yet"),
        ("what time is it", "it is"),
        ("nineteen plus two", "sorry i can not help with that yet"),
        ("order a pizza", "sorry i can not help with that yet"),
    ],
)
def test_turn_for_a_text_has_the_trained_answer(user_text, agent_text):
    assert domain.turn_for(user_text).agent_text == agent_text


def test_domain_has_the_trained_vocabulary_and_sentences():
    assert len(domain.vocabulary()) == 209
    assert len(domain.agent_sentences()) == 1280


@pytest.mark.parametrize("intent", domain.INTENTS)
def test_sample_turn_of_an_intent_agrees_with_turn_for(rng, intent):
    for _ in range(20):
        turn = domain.sample_turn(rng, intent)
        known = domain.turn_for(turn.user_text)
        assert (turn.intent, known.intent) == (intent, intent)
        # of a fact only what comes before it is known
        assert turn.agent_text.startswith(known.agent_text)
        assert turn == known or intent in domain.FACT_INTENTS


def test_sample_turn_without_intent_draws_every_intent(rng):
    drawn = {domain.sample_turn(rng).intent for _ in range(2000)}
    assert drawn == set(domain.INTENTS)


def test_sample_in_domain_turn_never_leaves_the_domain(rng):
    drawn = {domain.sample_in_domain_turn(rng).intent for _ in range(400)}
    assert drawn == set(domain.IN_DOMAIN_INTENTS) - {"repeat"}


def test_sample_turn_of_an_unknown_intent_names_the_known(rng):
    with pytest.raises(ValueError, match="add, subtract"):
        domain.sample_turn(rng, "sing")


def test_in_domain_turns_hold_each_text_once():
    texts = [turn.user_text for turn in domain.in_domain_turns()]
    assert len(texts) == len(set(texts)) == 2597


def test_sums_and_differences_stay_between_zero_and_twenty(rng):
    numbers = [number_words(n) for n in range(21)]
    for intent in ("add", "subtract"):
        results = {domain.sample_turn(rng, intent).agent_text.split()[-1] for _ in range(2000)}
        assert results <= set(numbers)
        assert {"zero", "twenty"} <= results


def test_only_what_somebody_else_must_answer_begins_with_a_request(rng):
    requests = {intent: domain.sample_turn(rng, intent).request for intent in domain.INTENTS}
    assert {k: v for k, v in requests.items() if v} == domain.REQUESTS
