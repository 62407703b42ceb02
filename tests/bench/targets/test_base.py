"""Calls in lanes: each gets one outcome, and faults stay with their call."""

import threading

import numpy as np
import pytest

from voiceagent.bench.targets.base import Call, Failure, Reply, in_lanes
from voiceagent.errors import BenchError

SOUND = np.zeros(10, np.float32)


def calls(*keys):
    return [Call(key, SOUND) for key in keys]


@pytest.mark.parametrize("num_lanes", [1, 2, 5])
def test_every_call_gets_one_outcome(num_lanes):
    found = list(in_lanes(calls(*"abc"), lambda call: Reply(call.key, call.user), num_lanes))
    assert sorted(outcome.key for outcome in found) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "error", [BenchError("hung up"), TimeoutError("hung up"), EOFError("hung up")]
)
def test_what_goes_wrong_in_one_call_is_its_failure(error):
    def converse(call):
        if call.key == "b":
            raise error
        return Reply(call.key, SOUND)

    found = list(in_lanes(calls(*"abc"), converse))
    assert found[1] == Failure("b", "hung up")
    assert isinstance(found[2], Reply)


def test_a_failure_without_words_has_its_kind():
    def converse(call):
        raise TimeoutError

    assert list(in_lanes(calls("a"), converse)) == [Failure("a", "TimeoutError")]


def test_a_bug_is_not_hidden():
    def converse(call):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(in_lanes(calls("a"), converse))


def test_calls_are_taken_only_as_there_is_room():
    taken = []

    def lazily():
        for call in calls(*"abcd"):
            taken.append(call.key)
            yield call

    outcomes = in_lanes(lazily(), lambda call: Reply(call.key, SOUND), 2)
    next(outcomes)
    assert taken == ["a", "b"]


def test_lanes_run_beside_one_another():
    both = threading.Barrier(2, timeout=10)

    def converse(call):
        both.wait()
        return Reply(call.key, SOUND)

    assert len(list(in_lanes(calls(*"ab"), converse, 2))) == 2
