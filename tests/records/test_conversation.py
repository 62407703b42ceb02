import pytest

from voiceagent.records.activity import Span
from voiceagent.records.conversation import ANNOTATED, AgentSpeech, Conversation, UserSpeech


def test_speech_runs_from_its_first_part_to_its_last():
    speech = UserSpeech("turn", (Span(100, 200), Span(500, 900)))
    assert (speech.start_ms, speech.end_ms) == (100, 900)


@pytest.mark.parametrize(
    ("kind", "addressed"),
    [("turn", True), ("interruption", True), ("user_backchannel", False)],
)
def test_only_turns_and_interruptions_want_an_answer(kind, addressed):
    assert UserSpeech(kind, (Span(0, 1),)).is_addressed is addressed


@pytest.mark.parametrize(
    ("kind", "parts", "problem"),
    [
        ("shout", (Span(0, 1),), "kind: 'shout'"),
        ("turn", (), "parts"),
        ("turn", (Span(5, 9), Span(0, 1)), "parts"),
    ],
)
def test_speech_that_makes_no_sense_is_refused(kind, parts, problem):
    with pytest.raises(ValueError, match=problem):
        UserSpeech(kind, parts)


def test_words_of_the_agent_are_counted():
    assert AgentSpeech(Span(0, 1), " mm hm ").num_words == 2


def test_conversation_refuses_other_labels_and_a_wrong_order():
    with pytest.raises(ValueError, match="labels: 'guessed'"):
        Conversation(labels="guessed", duration_ms=1)
    late, early = AgentSpeech(Span(5, 6)), AgentSpeech(Span(0, 1))
    with pytest.raises(ValueError, match="agent: not in the order"):
        Conversation(labels=ANNOTATED, duration_ms=9, agent=(late, early))
