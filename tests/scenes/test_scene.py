import json

import pytest

from voiceagent.errors import ConfigError
from voiceagent.scenes.scene import Event, Expected, Scene, from_json
from voiceagent.scenes.utterance import Word


def event(**changes):
    values = {
        "kind": "question",
        "channel": "user",
        "speaker": "flite:slt",
        "text": "hi there",
        "start_ms": 500,
        "end_ms": 900,
        "words": (Word("hi", 500, 620), Word("there", 640, 900)),
        "addressed": True,
    }
    return Event(**values | changes)


def scene(**changes):
    values = {
        "id": "question-1",
        "scene_class": "question",
        "seed": 1,
        "duration_ms": 2000,
        "events": (event(),),
        "expected": Expected(answers=("hello how can i help you",)),
    }
    return Scene(**values | changes)


def broken(*path_and_value):
    """The annotation with one value replaced."""
    document = json.loads(scene().to_json())
    *path, last, value = path_and_value
    inner = document
    for key in path:
        inner = inner[key]
    inner[last] = value
    return json.dumps(document)


def test_from_json_of_to_json_is_the_same_scene():
    assert from_json(scene().to_json()) == scene()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        (broken("version", 99), "expected voiceagent.scene version 1, got voiceagent.scene 99"),
        (broken("schema", "other"), "got other 1"),
        (broken("duration_ms", "long"), r"scene.duration_ms: expected int, got 'long'"),
        (broken("events", 0, "start_ms", 1.5), r"events\[0\].start_ms: expected int, got 1.5"),
        (broken("events", 0, "addressed", 1), r"events\[0\].addressed: expected bool"),
        (broken("events", 0, "words", 1, "text", None), r"words\[1\].text: expected str"),
        (broken("events", 0, "channel", "tv"), r"events\[0\]: channel: expected one of user"),
        (broken("events", 0, "colour", "red"), r"events\[0\]: missing or unknown: colour"),
        (broken("events", 0, "end_ms", 100), r"events\[0\]: end_ms"),
        (broken("events", {}), "scene.events: expected a list"),
        (broken("expected", []), "scene.expected: expected an object"),
        (broken("expected", "answers", [3]), r"answers\[0\]: expected str"),
        (broken("scene_class", "party"), "scene_class: expected one of question"),
    ],
)
def test_from_json_of_a_malformed_annotation_says_where(text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        from_json(text)


def test_event_with_a_word_outside_is_refused():
    with pytest.raises(ValueError, match="words: 'there'"):
        event(words=(Word("there", 640, 901),))


def test_event_with_words_out_of_order_is_refused():
    with pytest.raises(ValueError, match="words"):
        event(words=(Word("there", 640, 900), Word("hi", 500, 620)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("duration_ms", 899),
        ("events", (event(start_ms=700, words=()), event())),
        ("id", "../up"),
        ("id", ""),
        ("expected", None),
    ],
)
def test_scene_that_contradicts_itself_is_refused(field, value):
    if field == "expected":
        with pytest.raises(ValueError, match="on_overlap"):
            Expected(on_overlap="panic")
    else:
        with pytest.raises(ValueError, match=r"events|id"):
            scene(**{field: value})


def test_of_kind_finds_events_in_order():
    answer = event(kind="answer", channel="agent", start_ms=600, words=())
    assert scene(events=(event(), answer)).of_kind("answer") == (answer,)
