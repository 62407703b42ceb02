"""Annotations in the official shapes, and what is wrong with others."""

import json

import pytest

from voiceagent.bench.annotation import (
    read_interruption,
    read_nothing,
    read_overlap,
    read_pause,
    read_turn,
)
from voiceagent.errors import BenchError


def put(folder, **files):
    for name, document in files.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    return folder


def test_several_pauses_are_read(tmp_path):
    pauses = [{"text": "[PAUSE]", "timestamp": [1, 1.5]}, {"timestamp": [3, 3.4]}]
    assert read_pause(put(tmp_path, pause=pauses)).pauses == ((1, 1.5), (3, 3.4))


def test_the_turns_end_is_the_start_of_the_first_entry(tmp_path):
    turns = [{"timestamp": [4.2, 6.0]}, {"timestamp": [9, 10]}]
    assert read_turn(put(tmp_path, turn_taking=turns)).turn_end_s == 4.2


def test_a_turns_end_may_have_no_end_of_its_own(tmp_path):
    assert read_turn(put(tmp_path, turn_taking=[{"timestamp": [4.2, None]}])).turn_end_s == 4.2


def test_an_interruption_has_texts_and_times(tmp_path):
    entry = {"context": "tell me", "interrupt": "wait", "timestamp": [7, 8.5]}
    found = read_interruption(put(tmp_path, interrupt=[entry]))
    assert (found.overlap, found.context_text, found.overlap_text) == ((7, 8.5), "tell me", "wait")


def test_an_overlap_is_in_the_metadata(tmp_path):
    document = {"context_text": "tell me", "current_turn_text": "mm", "timestamps": [4, 4.5]}
    found = read_overlap(put(tmp_path, metadata=document))
    assert (found.overlap, found.overlap_text) == ((4, 4.5), "mm")


def test_where_nothing_is_annotated_nothing_is_read(tmp_path):
    assert read_nothing(tmp_path).turn_end_s is None


@pytest.mark.parametrize("read", [read_pause, read_turn, read_interruption, read_overlap])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(BenchError, match=r"\.json: cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("read", "name", "document", "place"),
    [
        (read_turn, "turn_taking", [], "at least one entry"),
        (read_turn, "turn_taking", {}, "expected a list"),
        (read_turn, "turn_taking", [{"timestamp": ["a", 1]}], r"\[0\]: timestamp"),
        (read_pause, "pause", [{"timestamp": [2, 1]}], r"\[0\]: 2.0 to 1.0 is no span"),
        (read_interruption, "interrupt", [{"timestamp": [2, None]}], "no span"),
        (read_interruption, "interrupt", [{"context": 3, "timestamp": [1, 2]}], '"context"'),
        (read_overlap, "metadata", [], "expected an object"),
        (read_overlap, "metadata", {"timestamps": None}, '"timestamps"'),
    ],
)
def test_a_malformed_file_is_named_with_the_place(tmp_path, read, name, document, place):
    with pytest.raises(BenchError, match=rf"{name}\.json.*{place}"):
        read(put(tmp_path, **{name: document}))
