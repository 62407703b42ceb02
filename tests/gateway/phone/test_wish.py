import json

import pytest

from voiceagent.gateway.phone.wish import read_wish
from voiceagent.serving.config import SessionOptions

DEFAULTS = SessionOptions(role="clerk", voice="anna")


def test_a_job_without_metadata_gets_the_defaults():
    assert read_wish(" ", DEFAULTS) == DEFAULTS


def test_what_is_asked_for_wins_over_the_defaults():
    wish = json.dumps({"role": "baker", "policy": "shadow"})
    assert read_wish(wish, DEFAULTS) == SessionOptions(role="baker", voice="anna", policy="shadow")


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ("{", "no JSON"),
        ("[" * 20_000, "longer than"),
        ("[" * 9_000, "no JSON"),
        ("[]", "no JSON object"),
        ('{"colour": "red"}', "it has 'colour'"),
        ('{"role": 1}', "role is no text"),
        ('{"policy": "maybe"}', "policy must be one of"),
        ('{"voice": "../etc"}', "voice must be"),
        (json.dumps({"role": "x" * 5000}), "role"),
    ],
)
def test_garbage_is_named_in_one_line_and_the_defaults_hold(metadata, problem, caplog):
    assert read_wish(metadata, DEFAULTS) == DEFAULTS
    (line,) = caplog.messages
    assert problem in line
    assert "\n" not in line
