from collections import Counter

from voiceagent.scenes.small_talk import FIXED


def test_small_talk_says_each_thing_to_one_answer():
    asked = Counter(text for texts, _ in FIXED.values() for text in texts)
    assert set(asked.values()) == {1}


def test_small_talk_is_lower_case_words():
    for texts, answer in FIXED.values():
        assert all(
            word.isalpha() and word.islower() for text in (*texts, answer) for word in text.split()
        )
