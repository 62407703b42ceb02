"""Telling a loop from speech."""

import pytest

from voiceagent.turntaking.repetition import repeats


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("hello", 1),
        ("seven plus four is eleven", 1),
        ("no no no", 3),
        ("i am fine i am fine i am fine", 3),
        ("fine i am fine i am", 2),
        ("one two one two three", 1),
        ("a b c d e f g h a b c d e f g h", 2),
        ("a b c d e f g h i a b c d e f g h i", 1),
    ],
)
def test_the_last_words_are_counted(text, count):
    assert repeats(text.split()) == count
