import pytest

from voiceagent.training import speech, stages
from voiceagent.training.budget import Budget
from voiceagent.training.clock import Deadline, deadline_in
from voiceagent.training.run import TrainingRun
from voiceagent.training.workspace import open_workspace


@pytest.fixture
def begin(tmp_path):
    """A run, its workspace opened."""

    def a_run(deadline=None):
        budget = Budget(seconds=60, workers=2)
        run = TrainingRun(
            path=tmp_path / "run", seed=1, budget=budget, deadline=deadline or Deadline()
        )
        open_workspace(run.path, run.settings)
        return run

    return a_run


@pytest.mark.parametrize("make", [stages.make_speech, stages.make_voice_data])
def test_data_stages_after_the_deadline_make_nothing_and_are_not_done(begin, make):
    run = begin(deadline_in(0.0))
    assert not make(run, 0, 1)
    assert not list(run.path.rglob("*.npz"))


@pytest.mark.slow
def test_make_speech_makes_the_shards_of_its_rank(begin, monkeypatch):
    monkeypatch.setattr(speech, "SENTENCES_PER_SHARD", 2)
    monkeypatch.setattr(Budget, "seconds_for", lambda budget, stage: 0.0)
    run = begin()
    assert stages.make_speech(run, 1, 2)
    assert run.workspace.shards("speech") == ["speech/00001"]
