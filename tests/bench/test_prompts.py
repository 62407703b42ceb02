"""What the official scripts ask, from a checkout: one of our own with the same names in it."""

import pytest

from voiceagent.bench.prompts import read_behaviour_prompt, read_rating_prompt
from voiceagent.errors import BenchError

PARTS = {
    "in_before_interrupt_text": "hi",
    "in_interrupt_text": "wait",
    "out_after_interrupt_text": "ok",
}


def test_a_rating_is_asked_as_the_script_asks_it(upstream):
    prompt = read_rating_prompt(upstream)
    assert prompt.system == "\n    Rate it.\n    "
    assert prompt.user(PARTS) == "first: hi, then: wait, reply: ok"
    assert (prompt.verdict, prompt.seed) == ("rating", 0)


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("Why: it fits.\nScore is 4", 4),
        ("Why: it fits.\nScore is 40", None),
        ("four", None),
        ("", None),
    ],
)
def test_a_rating_is_read_by_the_scripts_own_pattern(upstream, reply, rating):
    assert read_rating_prompt(upstream).parse(reply) == rating


def test_behaviour_is_asked_with_all_four_transcripts(upstream):
    prompt = read_behaviour_prompt(upstream)
    names = ("input_clean", "input_noisy", "output_clean", "output_noisy")
    assert prompt.system == "Tag it.\n"
    assert prompt.user({f"{name}_text": name.upper() for name in names}) == (
        "{ INPUT_CLEAN INPUT_NOISY OUTPUT_CLEAN OUTPUT_NOISY }"
    )


@pytest.mark.parametrize(
    ("reply", "tag"),
    [
        ('{"behaviour": ["C_RESPOND"]}', "respond"),
        ('Well, {"why": 1} then {"behaviour": ["C_UNCERTAIN_HANDLING"]} so.', "uncertain"),
        ('{"outer": {"behaviour": ["C_RESUME"]}}', "resume"),
        ('{"behaviour": ["C_RESPOND", "C_RESUME"]}', None),
        ('{"behaviour": ["C_ELSE"]}', None),
        ('{"behaviour": "C_RESPOND"}', None),
        ("{ C_RESPOND", None),
    ],
)
def test_a_tag_is_read_out_of_whatever_stands_around_it(upstream, reply, tag):
    assert read_behaviour_prompt(upstream).parse(reply) == tag


def test_another_wording_is_another_prompt(upstream):
    before = read_behaviour_prompt(upstream).sha256
    instruction = upstream / "v1_v1.5" / "evaluation" / "instruction" / "behavior.txt"
    instruction.write_text("Tag it well.\n")
    assert read_behaviour_prompt(upstream).sha256 != before


def test_nothing_of_the_script_is_executed(upstream):
    path = upstream / "v1_v1.5" / "evaluation" / "eval_user_interruption.py"
    path.write_text(f"raise SystemExit\n{path.read_text()}")
    assert read_rating_prompt(upstream).seed == 0


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("system_msg", "message", "assigns no system_msg"),
        ("{in_interrupt_text}", "{somebody}", "another shape"),
        ("def", "def def", "is no Python"),
        ('system_msg = """', 'system_msg = 1 or """', "another shape"),
    ],
)
def test_a_script_of_another_version_is_named(upstream, before, after, said):
    path = upstream / "v1_v1.5" / "evaluation" / "eval_user_interruption.py"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(BenchError, match=f"eval_user_interruption.*{said}"):
        read_rating_prompt(upstream)


def test_a_folder_that_is_no_checkout_is_named(tmp_path):
    with pytest.raises(BenchError, match="--upstream names a checkout"):
        read_behaviour_prompt(tmp_path)
