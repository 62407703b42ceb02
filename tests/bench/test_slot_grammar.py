"""Sentences with slots, and the grammar that they make."""

from voiceagent.bench.slot_grammar import jsgf, slotted


def test_numbers_names_and_days_become_slots():
    assert slotted("two plus ten is twelve") == slotted("one plus zero is one")
    assert slotted("nice to meet you anna")[-1] == "<name>"
    assert slotted("today is sunday") == ("today", "is", "<day>")


def test_what_differs_in_slots_only_is_one_rule_that_may_end_after_any_word():
    grammar = jsgf(["today is monday", "today is sunday", "good night"])
    assert grammar.endswith("public <said> = good [night] | today [is [<day>]];")


def test_letters_are_any_number_of_them():
    assert "<name> [is [spelled [<letter>+]]]" in jsgf(["anna is spelled A N N A"])
