from voiceagent.model.checkpoint import open_model
from voiceagent.training.budget import Budget
from voiceagent.training.clock import Deadline, deadline_in
from voiceagent.training.run import TrainingRun


def test_settings_are_what_makes_another_run_and_not_when_it_stops(tmp_path):
    def settings(**changes):
        fields = {"path": tmp_path, "seed": 1, "budget": Budget(seconds=60, workers=2)}
        return TrainingRun(**{**fields, "deadline": deadline_in(9.0), **changes}).settings

    first = settings()
    assert first == {"seed": 1, "budget_s": 60, "workers": 2, "device": "cpu"}
    assert settings(deadline=deadline_in(None), path=tmp_path / "x") == first
    assert settings(seed=2) != first


def test_another_model_to_go_on_from_makes_another_run(tmp_path):
    begun = open_model("nano")
    budget = Budget(seconds=60, workers=2, teach="hearing")
    run = TrainingRun(path=tmp_path, seed=1, budget=budget, deadline=Deadline(), start=begun)
    codec, decoder = (begun.sha256[f"{name}.safetensors"][:12] for name in ("codec", "decoder"))
    assert run.settings["from"] == f"codec {codec}, decoder {decoder}"
