"""The official sets: names, sizes, and people's backchannels from the user's checkout."""

import json

import pytest

from voiceagent.bench.fdb import FDB_V1, FDB_V15, read_people
from voiceagent.bench.suite import AXES
from voiceagent.errors import BenchError


def test_the_sizes_are_those_of_the_official_sets():
    assert sum(task.num_official for task in FDB_V1) == 727
    assert sum(task.num_official for task in FDB_V15) == 498


def test_every_axis_of_a_task_is_one():
    assert {axis for task in (*FDB_V1, *FDB_V15) for axis in task.axes} <= set(AXES)


def test_only_the_interruption_is_cropped_before_it_is_recognised():
    assert [task.name for task in FDB_V1 if task.is_cropped] == ["synthetic_user_interruption"]


def test_people_are_read_from_a_checkout_or_the_file_itself(tmp_path):
    path = tmp_path / "v1_v1.5" / "evaluation" / "icc_gt_distribution.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"0": [0.25, 0.75]}))
    assert read_people(tmp_path)["0"].tolist() == [0.25, 0.75]
    assert read_people(path).keys() == {"0"}


@pytest.mark.parametrize("document", [[], {}, {"0": []}, {"0": [-1, 2]}, {"0": ["a"]}, {"0": [0]}])
def test_another_shape_is_refused(tmp_path, document):
    path = tmp_path / "people.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BenchError, match=r"people\.json.*shares"):
        read_people(path)


def test_a_checkout_without_it_is_named(tmp_path):
    with pytest.raises(BenchError, match=r"icc_gt_distribution\.json: cannot be read"):
        read_people(tmp_path)
