import itertools
from collections import Counter

import pytest

from voiceagent.scenes import render
from voiceagent.scenes.dialogue import DialogueShares, make_dialogue
from voiceagent.scenes.domain import REQUESTS, in_domain_turns
from voiceagent.scenes.render import compose

SEEDS = range(150)


@pytest.fixture(scope="module")
def scripts():
    return [make_dialogue(seed) for seed in SEEDS]


def lines(scripts, kind):
    return [line for script in scripts for line in script.lines if line.kind == kind]


def gaps_ms(scripts):
    """Of answers that begin, behind what they answer."""
    return [
        line.offset_ms for line in lines(scripts, "answer") if not line.part or not line.part[0]
    ]


def test_make_dialogue_of_one_seed_repeats_itself():
    assert make_dialogue(5) == make_dialogue(5) != make_dialogue(6)


def test_dialogues_hold_every_kind_of_line(scripts):
    kinds = Counter(line.kind for script in scripts for line in script.lines)
    wanted = {"question", "part", "answer", "interruption", "backchannel", "murmur", "side_talk"}
    assert set(kinds) == {*wanted, "background"}
    assert min(kinds.values()) >= 20


def test_dialogue_answers_come_after_a_fifth_of_a_second_to_two_and_a_half(scripts):
    gaps = gaps_ms(scripts)
    assert min(gaps) >= 200
    assert 2000 < max(gaps) <= 2500
    assert 0.15 < sum(gap > 340 for gap in gaps) / len(gaps) < 0.35


def test_dialogue_without_holds_answers_at_once():
    scripts = [make_dialogue(seed, shares=DialogueShares(held=0.0)) for seed in range(30)]
    assert max(gaps_ms(scripts)) <= 340


def test_dialogue_expects_one_answer_to_each_turn(scripts):
    for script in scripts:
        whole = [
            line.text
            for line in script.lines
            if line.kind == "answer" and not (line.part and line.part[0])
        ]
        assert list(script.expected.answers) == whole


def test_dialogue_answer_that_was_stopped_goes_on_where_it_stopped(scripts):
    parts = [line for line in lines(scripts, "answer") if line.part]
    assert len(parts) >= 20
    for first, rest in zip(parts[::2], parts[1::2], strict=True):
        assert (first.text, first.take) == (rest.text, rest.take)
        assert first.part == (0, rest.part[0])
        assert rest.part[1] == len(rest.text.split())


def test_dialogue_refusals_and_facts_begin_with_a_request(scripts):
    known = {turn.agent_text for turn in in_domain_turns()}
    requests = Counter(line.request for line in lines(scripts, "answer"))
    assert set(requests) == {None, *REQUESTS.values()}
    assert all(line.request is None for line in lines(scripts, "answer") if line.text in known)


def test_dialogue_repeats_the_answer_before(scripts):
    repeats = 0
    for seed in SEEDS:
        answers = make_dialogue(seed).expected.answers
        repeats += sum(a == b for a, b in itertools.pairwise(answers))
    assert repeats >= 15


def test_dialogue_with_a_voice_is_that_voice_throughout():
    script = make_dialogue(3, voice="flite:kal")
    speakers = {line.speaker for line in script.lines if line.channel == "user"}
    assert speakers == {"flite:kal"}


def test_some_dialogues_have_nothing_to_answer(scripts):
    silent = [script for script in scripts if not script.expected.answers]
    assert 5 <= len(silent) <= 40
    assert any(script.lines for script in silent)
    assert any(not script.lines for script in silent)


def test_compose_of_dialogues_keeps_every_line_in_time(tone_speaker):
    for seed in range(20):
        script = make_dialogue(seed)
        composed = compose(script, tone_speaker)
        assert all(0 <= start <= end for start, end in composed.spans)
        assert render(script, tone_speaker).scene.duration_ms == len(composed.user) // 24
