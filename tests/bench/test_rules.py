"""Which arithmetic: found by name."""

import pytest

from voiceagent.bench.rules import CORRECTED, RULES, UPSTREAM_D7336BD, UPSTREAM_PR12, rules_named
from voiceagent.errors import ConfigError


def test_rules_are_found_by_the_name_that_tables_print():
    assert rules_named("upstream@d7336bd") is UPSTREAM_D7336BD
    assert all(rules_named(name).name == name for name in RULES)


def test_the_later_official_rules_differ_only_in_the_detectors_rate():
    assert UPSTREAM_D7336BD.detector_ignores_rate
    assert not UPSTREAM_PR12.detector_ignores_rate
    assert UPSTREAM_PR12.is_official
    assert not CORRECTED.is_official


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ConfigError, match="corrected, upstream@d7336bd, upstream@PR12"):
        rules_named("upstream")
