import string

from voiceagent.scenes.domain import NAMES
from voiceagent.scenes.out_of_domain_words import NEAR_MISSES, NEAR_WORDS, TEMPLATES, THINGS
from voiceagent.serving.facts import DAYS


def slots(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_templates_name_only_slots_that_are_filled():
    assert set().union(*map(slots, (*TEMPLATES, *NEAR_MISSES))) == {"a", "b", "w", "p", *NEAR_WORDS}


def test_near_misses_are_made_of_the_domains_own_days_and_names():
    assert set(NEAR_WORDS["d"]) == set(DAYS)
    assert set(NEAR_WORDS["x"]) <= set(NAMES)


def test_lists_hold_nothing_twice():
    for items in (TEMPLATES, NEAR_MISSES, THINGS):
        assert len(set(items)) == len(items)
