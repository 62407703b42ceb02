"""Transcripts made comparable."""

import pytest

from voiceagent.testing.words import normalise, word_accuracy, word_errors


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("3 plus 4 is 7.", "three plus four is seven"),
        ("3 + 4 = 7", "three plus four is seven"),
        ("3+4=7", "three plus four is seven"),
        ("Nine plus nine equals 18!", "nine plus nine is eighteen"),
        ("0, 10, 19, 20, 42 and 99", "zero ten nineteen twenty forty two and ninety nine"),
        ("twenty-one", "twenty one"),
        ("because 789", "because seven eight nine"),
        ("because 7-8-9.", "because seven eight nine"),
        ("9-5-1 is 3.", "nine minus five minus one is three"),
        ("call 2024 or 1-2", "call two zero two four or one to two"),
        ("from 9:00 to 5:00", "from nine to five"),
        ("at 9:30", "at nine thirty"),
        ("from 9-5", "from nine to five"),
        ("from 9 – 5", "from nine to five"),
        ("17-10 is 7.", "seventeen minus ten is seven"),
        ("17 − 10 = 7", "seventeen minus ten is seven"),
        ("17 − 10", "seventeen minus ten"),
        ("10 - 3 - 2 = 5", "ten minus three minus two is five"),
        ("17-17 is zero", "seventeen minus seventeen is zero"),
        ("9-5 is when we are open", "nine to five is when we are open"),
        ("9:30-5:00 is open", "nine thirty to five is open"),
        ("I'M SORRY", "i am sorry"),
        ("we are open 9-5 and 7-9", "we are open nine to five and seven to nine"),
        ("David is spelled DAVID.", "david is spelled d a v i d"),
        ("Lisa, L-I-S-A, OK", "lisa l i s a okay"),
        ("9am", "nine am"),
        ("Sorry, I can't help.", "sorry i can not help"),
        ("I cannot help", "i can not help"),
        ("I can’t help", "i can not help"),
        ("I don't. We won't.", "i do not we will not"),
        ("I'm fine; you're welcome", "i am fine you are welcome"),
        ("What's Anna's name?", "what is annas name"),
        ("Good-bye. Bye-bye, OK?", "goodbye bye bye okay"),
        ("Good bye", "goodbye"),
        ("On Monday, we are open", "on monday we are open"),
        ("  ...  ", ""),
        ("", ""),
    ],
)
def test_normalise_gives_what_was_said(written, said):
    assert normalise(written) == said.split()


@pytest.mark.parametrize("number", range(100))
def test_normalise_gives_every_number_its_own_words(number):
    words = normalise(str(number))
    assert words == normalise(" ".join(words))
    assert not any(normalise(str(other)) == words for other in range(number))


@pytest.mark.parametrize(
    ("reference", "heard", "errors"),
    [
        ("three plus four", "3 + 4", 0),
        ("three plus four", "three plus five", 1),
        ("three plus four", "three four", 1),
        ("three plus four", "three plus four please", 1),
        ("three plus four", "", 3),
        ("", "thank you", 2),
        ("", "", 0),
        ("one two three four", "two three four five", 2),
        ("nice to meet you anna", "Nice to meet you, Ana.", 1),
    ],
)
def test_word_errors_counts_the_fewest_edits(reference, heard, errors):
    assert word_errors(reference, heard) == errors
    assert word_errors(heard, reference) == errors


def test_word_accuracy_weighs_every_word_alike():
    assert word_accuracy(["one", "one two three"], ["two", "one two three"]) == pytest.approx(0.75)


def test_word_accuracy_of_much_invention_is_negative():
    assert word_accuracy(["one"], ["two three four"]) == pytest.approx(-2)


def test_word_accuracy_without_reference_words_raises():
    with pytest.raises(ValueError, match="references"):
        word_accuracy(["..."], ["one"])


def test_word_accuracy_of_unequal_lists_raises():
    with pytest.raises(ValueError, match="zip"):
        word_accuracy(["one", "two"], ["one"])
