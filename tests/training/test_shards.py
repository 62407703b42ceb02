import numpy as np
import pytest

from voiceagent.training.clock import Deadline, deadline_in
from voiceagent.training.shards import GrowingShards, ShardPlan, make_shards


@pytest.fixture
def made():
    return []


@pytest.fixture
def make(made):
    def make_one(number):
        made.append(number)
        return {"a": np.full(3, number)}

    return make_one


def plan(**changes):
    return ShardPlan(**{"folder": "speech", "seconds": 1e9, "most": 5} | changes)


def test_make_shards_makes_as_many_as_there_are(workspace, make, made):
    assert make_shards(workspace, plan(), make, Deadline())
    assert made == [0, 1, 2, 3, 4]
    assert workspace.read_arrays("speech/00003")["a"].tolist() == [3, 3, 3]


def test_make_shards_of_two_processes_share_the_numbers(workspace, make, made):
    for rank in (0, 1):
        assert make_shards(workspace, plan(rank=rank, workers=2), make, Deadline())
    assert made == [0, 2, 4, 1, 3]


def test_make_shards_after_the_deadline_stops_and_goes_on_later(workspace, make, made):
    assert make_shards(workspace, plan(most=2), make, Deadline())
    assert not make_shards(workspace, plan(), make, deadline_in(0.0))
    assert made == [0, 1]
    assert make_shards(workspace, plan(), make, Deadline())
    assert made == [0, 1, 2, 3, 4]


def test_make_shards_without_time_makes_one(workspace, make, made):
    assert make_shards(workspace, plan(seconds=0.0), make, Deadline())
    assert made == [0]


def test_make_shards_counts_the_time_of_earlier_commands(workspace, make, made):
    workspace.write_arrays("speech/00000", {"seconds": np.asarray(90.0)})
    told = []
    assert make_shards(workspace, plan(seconds=80.0), make, Deadline(), told.append)
    assert (made, told) == ([], [90.0])


def test_growing_shards_are_returned_once(workspace):
    def write(number):
        row = np.full((2, 3), number, np.int16)
        workspace.write_arrays(f"calls/{number:05d}", {"text": row, "user": row})

    calls = GrowingShards(workspace, "calls", ("text", "user"))
    assert calls.more() is None
    assert not calls.wait_for(1, deadline_in(0.0))
    write(3)
    assert calls.wait_for(1, Deadline())
    assert calls.more()["text"].tolist() == [[3] * 3] * 2
    assert calls.rows_of_shard == 2
    assert calls.more() is None
    write(1)
    assert calls.more()["user"].tolist() == [[1] * 3] * 2
