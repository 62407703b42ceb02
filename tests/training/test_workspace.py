import numpy as np
import pytest
import torch

from voiceagent.errors import ConfigError, TrainingError
from voiceagent.training import workspace as workspaces
from voiceagent.training.workspace import open_workspace, read_shards


def test_arrays_come_back_as_they_were_written(workspace):
    workspace.write_arrays("speech/00002", {"a": np.arange(3)})
    workspace.write_arrays("speech/00001", {"a": np.arange(2)})
    assert workspace.shards("speech") == ["speech/00001", "speech/00002"]
    assert [len(shard["a"]) for shard in read_shards(workspace, "speech")] == [2, 3]


def test_json_and_checkpoints_come_back_or_have_a_default(workspace):
    assert workspace.read_json("curves/a", []) == []
    assert workspace.read_checkpoint("voice") is None
    workspace.write_json("curves/a", [1])
    workspace.write_checkpoint("voice", {"steps": 3, "module": {"w": torch.ones(2)}})
    assert workspace.read_json("curves/a") == [1]
    assert workspace.read_checkpoint("voice")["module"]["w"].tolist() == [1, 1]


def test_open_workspace_goes_on_with_the_same_run_only(tmp_path):
    open_workspace(tmp_path / "run", {"seed": 1})
    open_workspace(tmp_path / "run", {"seed": 1})
    with pytest.raises(ConfigError, match=r"another training run.*seed 1"):
        open_workspace(tmp_path / "run", {"seed": 2})


def test_open_workspace_of_another_version_is_refused(tmp_path, monkeypatch):
    open_workspace(tmp_path / "run", {"seed": 1})
    was = workspaces._VERSION
    monkeypatch.setattr(workspaces, "_VERSION", 99)
    with pytest.raises(ConfigError, match=f"version {was}"):
        open_workspace(tmp_path / "run", {"seed": 1})


def test_open_workspace_in_somebody_elses_folder_is_refused(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="no training run"):
        open_workspace(tmp_path, {"seed": 1})


def test_a_full_disk_is_named_and_leaves_what_was_there(workspace, monkeypatch):
    workspace.write_arrays("speech/00000", {"a": np.arange(3)})

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(TrainingError, match=r"No space left.*run the same command"):
        workspace.write_arrays("speech/00000", {"a": np.arange(9)})
    assert len(workspace.read_arrays("speech/00000")["a"]) == 3
    assert [path.name for path in (workspace.path / "speech").iterdir()] == ["00000.npz"]
