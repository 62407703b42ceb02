import json

import pytest
import torch

from voiceagent.cli import main
from voiceagent.errors import ConfigError
from voiceagent.model.checkpoint import NANO_FOLDER, open_model
from voiceagent.serving.engine import Engine
from voiceagent.serving.playback import play
from voiceagent.training import budget, pipeline, processes
from voiceagent.training.budget import SHARES, Budget
from voiceagent.training.clock import Deadline
from voiceagent.training.export import MOST_BYTES, folder_bytes
from voiceagent.training.pipeline import train_nano
from voiceagent.training.run import TrainingRun
from voiceagent.training.stages import write_codec


def a_run(path, workers=1, deadline=None):
    time = Budget(seconds=60, workers=workers)
    return TrainingRun(path=path, seed=1, budget=time, deadline=deadline or Deadline())


@pytest.fixture
def stages(monkeypatch):
    """Stages that only note that they ran; "second" fails to finish at first."""
    ran = []

    def stage(name, results):
        def work(run, rank, size):
            ran.append(name)
            return results.pop(0) if results else True

        return name, [work]

    listed = [stage("first", []), stage("second", [False]), stage("third", [])]
    monkeypatch.setattr(pipeline, "_stages", lambda run: listed)
    return ran


def test_train_nano_stops_at_what_is_not_done_and_goes_on_there(tmp_path, stages):
    assert train_nano(a_run(tmp_path / "run"), lambda line: None) is None
    assert stages == ["first", "second"]
    assert train_nano(a_run(tmp_path / "run"), lambda line: None) == tmp_path / "run" / "model"
    assert stages == ["first", "second", "second", "third"]


def test_train_nano_in_another_runs_folder_is_refused(tmp_path, stages):
    train_nano(a_run(tmp_path / "run"), lambda line: None)
    with pytest.raises(ConfigError, match="workers"):
        train_nano(a_run(tmp_path / "run", workers=2), lambda line: None)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_share_of_the_budget_is_a_stage_with_its_processes(tmp_path, workers):
    stages = dict(pipeline._stages(a_run(tmp_path, workers)))
    works = [work for stage in stages.values() for work in stage]
    assert set(stages) <= {*SHARES, "codec"}
    assert pipeline.learn_voice in works
    assert len(stages["decoder"]) == workers
    assert max(map(len, stages.values())) == workers


def test_a_run_that_goes_on_keeps_the_voice_and_teaches_the_ear_in_all_processes(tmp_path):
    time = Budget(seconds=60, workers=2, teach="hearing")
    run = TrainingRun(
        path=tmp_path, seed=1, budget=time, deadline=Deadline(), start=open_model("nano")
    )
    stages = dict(pipeline._stages(run))
    assert "voice" not in stages
    assert stages["semantic"] == [pipeline.learn_hearing] * 2
    assert set(stages) == {*time.shares, "codec"}


def test_a_run_that_teaches_conversation_has_no_stage_for_ear_or_voice(tmp_path):
    time = Budget(seconds=60, workers=2, teach="conversation")
    run = TrainingRun(
        path=tmp_path, seed=1, budget=time, deadline=Deadline(), start=open_model("nano")
    )
    stages = dict(pipeline._stages(run))
    assert set(stages) == {"speech", "codec", "bank", "dialogues", "decoder", "evaluate"}
    assert set(stages) == {*time.shares, "codec"}
    write_codec(run, 0, 1)
    kept = tmp_path / "model" / "codec.safetensors"
    assert kept.read_bytes() == (NANO_FOLDER / "codec.safetensors").read_bytes()


@pytest.mark.parametrize(("device", "learners"), [("cpu", 2), ("cuda", 1)])
def test_the_voice_is_taught_by_all_processes_together(tmp_path, device, learners):
    time = Budget(seconds=60, workers=2, teach="voice", on_gpu=device == "cuda")
    start = open_model("nano")
    run = TrainingRun(
        path=tmp_path, seed=1, budget=time, deadline=Deadline(), device=device, start=start
    )
    stages = dict(pipeline._stages(run))
    assert stages["voice"] == [pipeline.learn_voice] * learners
    assert set(stages) == {*time.shares, "codec"}
    assert pipeline.learn_voice in processes._TOGETHER


@pytest.mark.slow
def test_a_run_that_teaches_the_voice_does_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setitem(budget.VOICE_SHARES, "voice", 0.15)  # 9 s
    start = open_model("nano")
    run = TrainingRun(
        path=tmp_path / "run",
        seed=1,
        budget=Budget(seconds=60, workers=1, teach="voice"),
        deadline=Deadline(),
        start=start,
    )
    folder = train_nano(run, lambda line: None)
    made = open_model(folder)
    (point,) = json.loads((tmp_path / "run" / "curves" / "voice.json").read_text())[-1:]
    assert point["held_spectral"] > 0
    assert made.sha256["decoder.safetensors"] == start.sha256["decoder.safetensors"]
    before, after = (one.load_codec(with_agent_encoder=True).state_dict() for one in (start, made))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(("voice.stack.", "voice.head.")) for name in changed)
    assert "its voice more" in " ".join((folder / "README.md").read_text().split())


def test_on_a_gpu_calls_are_made_beside_the_decoder(tmp_path):
    time = Budget(seconds=60, workers=4, on_gpu=True)
    run = TrainingRun(path=tmp_path, seed=1, budget=time, deadline=Deadline(), device="cuda")
    stages = dict(pipeline._stages(run))
    assert "dialogues" not in stages
    assert stages["decoder"] == [pipeline.learn_conversation, *[pipeline.make_calls] * 3]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with a budget of two minutes, interrupted once."""
    path = tmp_path_factory.mktemp("nano") / "run"
    arguments = ["train", "nano", "--budget", "2m", "--out", str(path)]
    assert main([*arguments, "--stop-after", "20s"]) == 75
    assert main(arguments) == 0
    return path


@pytest.mark.slow
def test_a_run_of_two_minutes_makes_losses_fall(trained):
    def curve(stage, figure):
        points = json.loads((trained / "curves" / f"{stage}.json").read_text())
        return [point[figure] for point in points]

    assert curve("voice", "held_harmonic")[-1] < 0.9 * curve("voice", "held_harmonic")[0]
    assert curve("decoder", "held_text")[-1] < curve("decoder", "held_text")[0]
    assert curve("semantic", "phone")[-1] < 3.65  # 3.69 is a guess among forty


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A run of a minute that goes on from the shipped model."""
    path = tmp_path_factory.mktemp("tuned") / "run"
    assert main(["train", "nano", "--from", "nano", "--budget", "1m", "--out", str(path)]) == 0
    return path


@pytest.mark.slow
def test_a_run_that_goes_on_makes_the_same_voice_with_another_ear(tuned):
    before, after = (
        open_model(model).load_codec(with_agent_encoder=True) for model in ("nano", tuned / "model")
    )
    assert torch.equal(before.voice.head.weight, after.voice.head.weight)
    assert not torch.equal(before.semantic.project.weight, after.semantic.project.weight)
    codebooks = before.semantic.quantizer.codebooks
    assert torch.equal(codebooks, after.semantic.quantizer.codebooks)
    (last,) = json.loads((tuned / "curves" / "decoder.json").read_text())[-1:]
    assert last["agent_words"] > 0.8, "it still knows what to say"


@pytest.mark.slow
def test_a_run_of_two_minutes_makes_a_model_that_runs(trained, make_speech):
    folder = trained / "model"
    assert open_model(folder).name == "nano"
    assert folder_bytes(folder) <= MOST_BYTES
    (playback,) = play(Engine.load(str(folder)), [make_speech(1.6)[0].numpy()])
    assert len(playback.agent) == 1.6 * 24_000
    assert {path.name for path in folder.iterdir()} >= {"README.md", "figures.json", "curves.svg"}


@pytest.mark.slow
def test_a_run_that_teaches_the_ear_changes_it_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(budget.EAR_SHARES, "ear", 0.25)  # 15 s
    start = open_model("nano")
    run = TrainingRun(
        path=tmp_path / "run",
        seed=1,
        budget=Budget(seconds=60, workers=1, teach="ear"),
        deadline=Deadline(),
        start=start,
    )
    made = open_model(train_nano(run, lambda line: None))
    assert made.sha256["decoder.safetensors"] == start.sha256["decoder.safetensors"]
    before, after = (one.load_codec(with_agent_encoder=True).state_dict() for one in (start, made))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("semantic.encoder.layers.") for name in changed)
