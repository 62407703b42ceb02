import pytest

from voiceagent.errors import TrainingError
from voiceagent.training.budget import Budget
from voiceagent.training.clock import Deadline
from voiceagent.training.processes import run_all
from voiceagent.training.run import TrainingRun


def a_run(path, workers):
    budget = Budget(seconds=60, workers=workers)
    return TrainingRun(path=path, seed=1, budget=budget, deadline=Deadline())


def failing(run, rank, size):
    raise ValueError("no such voice")


def counting(run, rank, size):
    (run.path / f"rank-{rank}-of-{size}").touch()
    return rank == 0


def alone(run, rank, size):
    (run.path / f"alone-{rank}-of-{size}").touch()
    return True


@pytest.mark.slow
def test_processes_of_a_stage_know_their_rank_and_must_all_be_done(tmp_path):
    assert not run_all(a_run(tmp_path, 3), [alone, counting, counting])
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"alone-0-of-1", "rank-0-of-2", "rank-1-of-2"}


@pytest.mark.slow
def test_a_process_that_fails_says_why(tmp_path):
    with pytest.raises(TrainingError, match="no such voice"):
        run_all(a_run(tmp_path, 2), [failing, failing])
