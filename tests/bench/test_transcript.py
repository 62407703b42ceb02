"""Words with times: the official file shape, and what is wrong with others."""

import json

import pytest

from voiceagent.bench.transcript import (
    WORD_S,
    TimedWord,
    parse_transcript,
    read_json,
    read_transcript,
    shifted,
    text_of,
    time_span,
    to_json,
    with_ends,
)
from voiceagent.errors import BenchError


def test_words_survive_being_written_and_read(tmp_path, words):
    said = words(("three", 1.04, 1.2), ("plus", 1.31, None))
    path = tmp_path / "output.json"
    path.write_text(json.dumps(to_json(said)))
    assert read_transcript(path) == said


def test_shifted_moves_every_time_but_leaves_a_missing_end(words):
    assert shifted(words((1, 2), (3, None)), 4) == words((5, 6), (7, None))


def test_a_word_ends_with_the_next_one_or_after_a_usual_time(words):
    begun = words(
        ("three", 0.88, None), ("plus", 1.04, None), ("", 1.9, None), ("four", 2.08, None)
    )
    first, second, last = with_ends(begun)
    assert (first.start_s, first.end_s) == (0.88, 1.04)
    assert second.end_s == pytest.approx(1.04 + WORD_S)
    assert last.end_s == pytest.approx(2.08 + WORD_S)
    assert with_ends(()) == ()


def test_text_is_the_words_with_single_spaces(words):
    assert text_of(words((" three", 0, 1), ("plus ", 1, 2))) == "three plus"


def test_a_word_without_end_counts_from_its_start():
    assert TimedWord("yes", 3.0, None).last_s == 3.0


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ([], "chunks"),
        ({"text": "a"}, "chunks"),
        ({"chunks": [{"text": "a"}]}, r"chunks\[0\].*timestamp"),
        ({"chunks": [{"text": "a", "timestamp": [0]}]}, "timestamp"),
        ({"chunks": [{"text": "a", "timestamp": [None, 1]}]}, "seconds"),
        ({"chunks": [{"text": "a", "timestamp": [-1, 1]}]}, "seconds"),
        ({"chunks": [{"text": "a", "timestamp": [True, 1]}]}, "seconds"),
        ({"chunks": [{"timestamp": [0, 1]}]}, "text"),
    ],
)
def test_another_shape_is_refused_by_place(document, place):
    with pytest.raises(BenchError, match=place):
        parse_transcript(document, "output.json")


def test_times_that_are_not_finite_are_refused():
    with pytest.raises(BenchError, match="seconds"):
        time_span({"timestamp": [0, float("nan")]}, "here")


def test_a_missing_and_a_broken_file_are_named(tmp_path):
    with pytest.raises(BenchError, match=r"output\.json: cannot be read"):
        read_json(tmp_path / "output.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(BenchError, match=r"broken\.json: not JSON"):
        read_json(tmp_path / "broken.json")
