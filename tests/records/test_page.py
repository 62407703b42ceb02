import base64
import hashlib
import re

import pytest

from voiceagent.records.page import (
    clock,
    count,
    escape,
    facts,
    length,
    page,
    seconds,
    section,
    style_hash,
)


def test_page_stands_alone_and_lets_nothing_in():
    text = page("A <title>", "<p>body</p>")
    assert text.startswith("<!doctype html>")
    assert "<title>A &lt;title&gt;</title>" in text
    assert "default-src 'none'" in text
    assert "--accent" in text  # the style is inside
    assert not re.search(r"https?:|@import|url\(|<script|<link", text)


def test_the_styles_hash_is_of_what_stands_between_its_tags():
    inside = re.search(r"<style>(.*?)</style>", page("", ""), re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
    assert style_hash() == f"sha256-{digest}"


def test_text_cannot_become_markup():
    assert escape('<b a="1">&') == "&lt;b a=&quot;1&quot;&gt;&amp;"
    assert "<b>" not in facts([("<b>", "<b>")]) + section("<b>", "")


@pytest.mark.parametrize(
    ("ms", "text"),
    [(320, "0.32 s"), (-100, "−0.10 s"), (9949, "9.95 s"), (9950, "9.9 s"), (60_000, "60.0 s")],
)
def test_durations_are_seconds(ms, text):
    assert seconds(ms) == text


def test_duration_of_nothing_is_a_dash():
    assert seconds(None) == "–"


def test_times_and_lengths_of_a_call():
    assert (clock(0), clock(65_000), clock(600_000)) == ("0:00", "1:05", "10:00")
    assert (length(53_360), length(509_000)) == ("53 s", "8 min 29 s")


def test_nouns_follow_their_numbers():
    assert (count(1, "turn"), count(0, "turn"), count(2, "box", "boxes")) == (
        "1 turn",
        "0 turns",
        "2 boxes",
    )


def test_a_page_may_hold_sound_only_where_it_says_so():
    assert "media-src" not in page("Plain", "")
    assert "media-src data:" in page("Loud", "", has_sound=True)
