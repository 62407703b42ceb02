"""Tags of what an agent did about an overlap."""

import json
from pathlib import Path

import pytest

from voiceagent.bench.scorers.behaviour import rule_tag, shares

OVERLAPS = Path(__file__).parents[2] / "golden" / "overlaps"
ANSWER = "you can ask me to add numbers or to tell you when we are open"
RESPONSE = "three plus four is seven"


def tag(said: str, before: str = "you can ask me to", response: str = RESPONSE) -> str:
    return rule_tag(said, before, ANSWER, response)


def test_the_rest_of_the_answer_is_resuming():
    assert tag("add numbers or to tell you when we are open") == "resume"


def test_the_answer_from_its_start_is_resuming():
    assert tag(ANSWER) == "resume"


def test_a_little_of_the_rest_and_then_nothing_is_no_resuming():
    assert tag("add numbers or") == "unknown"


def test_the_answer_to_the_overlap_is_responding():
    assert tag("three plus four is seven") == "respond"


def test_a_word_before_the_response_does_not_hide_it():
    assert tag("add 3 plus 4 is 7") == "respond"


def test_a_misheard_word_does_not_hide_it():
    assert tag("three plus four is eleven") == "respond"


def test_asking_again_is_uncertain():
    assert tag("pardon could you repeat that please") == "uncertain"


@pytest.mark.parametrize("said", ["", "on sunday nothing ever happens here"])
def test_silence_and_anything_else_are_unknown(said):
    assert tag(said) == "unknown"


def test_giving_back_the_overlap_is_no_response():
    question, response = "how much is four plus zero", "four plus zero is four"
    assert rule_tag(question, "you can", ANSWER, response, question) == "unknown"
    assert rule_tag(response, "you can", ANSWER, response, question) == "respond"


def test_giving_back_a_request_to_repeat_is_no_asking():
    asked = "can you repeat that"
    assert rule_tag(asked, "you can", ANSWER, RESPONSE, asked) == "unknown"


def test_an_overlap_that_wants_nothing_can_only_be_resumed():
    assert tag("add numbers or to tell you", response="") == "resume"


def test_shares_are_to_two_places_over_every_tag():
    found = shares(["respond", "respond", "resume"])
    assert found == {"respond": 0.67, "resume": 0.33, "uncertain": 0.0, "unknown": 0.0}
    assert shares([]) == {}


@pytest.mark.parametrize(
    ("before", "said", "expected"),
    [
        ("i can", "add", "unknown"),  # broken off, and nothing after it
        ("sorry i can not", "help with that yet", "resume"),
        ("i can add numbers", "and sorry i can not help", "respond"),
        ("i can add numbers", "until you are open yes i can hear you", "unknown"),
        ("could you", "repeat that", "resume"),
        ("could you", "repeat that sorry could you say that again", "uncertain"),
        ("i", "can add 2 plus 7 is 9", "respond"),  # asked what two plus ten is
    ],
)
def test_a_sentence_in_progress_is_told_from_a_new_one(before, said, expected):
    answer = "i can add numbers and tell you our opening hours"
    assert rule_tag(said, before, answer, "two plus ten is twelve") == expected


@pytest.mark.slow
def test_the_rule_agrees_with_a_reader_on_200_transcripts():
    labels = json.loads((OVERLAPS / "labels.json").read_text())["labels"]
    lines = (OVERLAPS / "transcripts.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    names = ("said", "before", "answer", "response", "overlap")
    found = [(row, rule_tag(**{name: row[name] for name in names})) for row in rows]
    wrong = [
        f"{row['id']}: {labels[str(row['id'])]}, not {tag}: {row['before']} | {row['said']}"
        for row, tag in found
        if tag != labels[str(row["id"])]
    ]
    assert len(rows) == 200
    assert 1 - len(wrong) / len(rows) >= 0.98, wrong
