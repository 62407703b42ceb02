"""Suites by name."""

import json

import pytest

from voiceagent.bench.folder import Plan
from voiceagent.bench.suites import people_for, planned_samples, tasks_of
from voiceagent.errors import ConfigError


def test_tasks_are_found_by_the_suites_name():
    assert "icc_backchannel" in tasks_of("fdb-v1")
    assert "background_speech" in tasks_of("fdb-v1.5")
    assert "silence" in tasks_of("builtin")


def test_an_unknown_suite_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"builtin, fdb-v1, fdb-v1\.5"):
        tasks_of("fdb-v3")


def test_planned_samples_are_those_of_the_plan_in_its_order(make_data):
    data = make_data({"icc_backchannel": {"1": {}, "2": {}}})
    keys = ("icc_backchannel/2", "icc_backchannel/1")
    samples = planned_samples(Plan(suite="fdb-v1", data=str(data), keys=keys))
    assert [sample.key for sample in samples] == list(keys)


def test_a_sample_that_has_gone_has_a_fault(make_data):
    data = make_data({"icc_backchannel": {"1": {}}})
    (sample,) = planned_samples(Plan(suite="fdb-v1", data=str(data), keys=("icc_backchannel/9",)))
    assert sample.fault.endswith("is gone")


def test_people_of_official_sets_come_from_the_users_checkout(tmp_path):
    path = tmp_path / "people.json"
    path.write_text(json.dumps({"0": [1.0]}))
    plan = Plan(suite="fdb-v1", data=str(tmp_path), keys=("icc_backchannel/0",))
    assert people_for(plan, None) == {}
    assert people_for(plan, path).keys() == {"0"}


def test_a_plan_without_backchannels_needs_no_people(tmp_path):
    plan = Plan(suite="fdb-v1", data=str(tmp_path), keys=("candor_turn_taking/0",))
    assert people_for(plan, tmp_path) == {}
