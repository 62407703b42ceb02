import time

from voiceagent.training.clock import Deadline, deadline_in


def test_deadline_without_a_time_never_comes():
    assert not deadline_in(None).is_over()


def test_deadline_is_over_once_its_time_has_come():
    assert deadline_in(0.0).is_over()
    assert not deadline_in(1000.0).is_over()
    assert Deadline(time.monotonic() - 1).is_over()
