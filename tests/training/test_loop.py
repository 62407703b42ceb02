import itertools
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from torch import nn

from voiceagent.errors import TrainingError
from voiceagent.training import loop
from voiceagent.training.clock import Deadline
from voiceagent.training.loop import World, average_gradients, train


class Line:
    """Learns y = 3 x."""

    name = "line"
    device = torch.device("cpu")
    learning_rate = 0.1
    betas = (0.9, 0.99)
    weight_decay = 0.0
    gentle = None

    def __init__(self):
        torch.manual_seed(0)
        self.module = nn.Linear(1, 1)
        self.seen = []

    def loss(self, progress, generator):
        self.seen.append(progress)
        x = torch.randn(32, 1, generator=generator)
        loss = (self.module(x) - 3 * x).square().mean()
        return loss, {"error": loss.item()}

    def evaluate(self):
        assert not self.module.training
        return {"slope": self.module.weight.item()}


@pytest.fixture(autouse=True)
def ticking(monkeypatch):
    """A clock on which every look takes 10 ms."""
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 100))


class After:
    """A deadline that comes after so many looks."""

    def __init__(self, looks):
        self.looks = looks

    def is_over(self):
        self.looks -= 1
        return self.looks < 0


def run(task, workspace, seconds=0.5, deadline=None, **options):
    return train(task, seconds, workspace, deadline or Deadline(), seed=1, **options)


def test_train_learns_until_its_time_is_over_and_writes_its_curve(workspace):
    task = Line()
    assert run(task, workspace, 1.0)
    curve = workspace.read_json("curves/line")
    assert curve[-1]["seconds"] >= 1.0
    assert curve[-1]["slope"] == pytest.approx(3, abs=0.3)
    assert task.seen[0] < 0.1
    assert task.seen[-1] > 0.9


def test_train_stopped_by_the_deadline_goes_on_where_it_was(workspace):
    first = Line()
    assert not run(first, workspace, 1.0, After(40))
    second = Line()
    assert run(second, workspace, 1.0)
    assert second.seen[0] >= first.seen[-1]
    steps = [point["steps"] for point in workspace.read_json("curves/line")]
    assert steps == sorted(steps)
    assert steps[-1] == len(first.seen) + len(second.seen)


def test_train_that_has_no_time_for_a_step_leaves_no_point_on_the_curve(workspace):
    assert not run(Line(), workspace, deadline=After(0))
    assert workspace.read_json("curves/line", []) == []


def test_train_that_is_done_does_nothing_more(workspace):
    run(Line(), workspace)
    again = Line()
    assert run(again, workspace)
    assert again.seen == []


def test_train_writes_no_checkpoint_that_is_older_than_a_quarter_of_the_stage(workspace):
    run(Line(), workspace, 0.4)
    times = [0.0, *(point["seconds"] for point in workspace.read_json("curves/line"))]
    assert all(b - a < 0.2 for a, b in itertools.pairwise(times))


def test_train_does_not_count_the_time_in_which_it_was_suspended(workspace, monkeypatch):
    times = itertools.chain([0.0, 0.01, 3600.0], itertools.count(3600.01, 0.01))
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(times)))
    task = Line()
    assert run(task, workspace, 30.0)
    assert len(task.seen) > 500


def test_train_tells_seconds_and_losses(workspace):
    told = []
    run(Line(), workspace, 0.1, on_seconds=lambda elapsed_s, note: told.append(note))
    assert told[0].startswith("error ")


def test_the_rate_rises_and_falls():
    optimiser = torch.optim.SGD(loop._groups(Line()), lr=1.0)
    rates = []
    for progress in (0.0, 0.03, 0.5, 1.0):
        loop._set_rate(optimiser, 1.0, progress)
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.05, 1.0, 0.5, 0.02], abs=0.01)


def test_what_knows_something_already_learns_at_a_tenth_of_the_rate():
    task = Line()
    task.gentle = "wei"
    optimiser = torch.optim.SGD(loop._groups(task), lr=1.0)
    loop._set_rate(optimiser, 0.1, 0.03)
    rates = {group["params"][0]: group["lr"] for group in optimiser.param_groups}
    assert rates[task.module.weight] == pytest.approx(rates[task.module.bias] / 10)


def test_average_gradients_of_one_process_keeps_them_and_fills_in_missing_ones(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        module = nn.Linear(2, 2)
        module.weight.grad = torch.ones(2, 2)
        average_gradients(module, World(0, 1))
        assert torch.equal(module.weight.grad, torch.ones(2, 2))
        assert torch.equal(module.bias.grad, torch.zeros(2))
    finally:
        dist.destroy_process_group()


class Diverging(Line):
    """Now and then the loss is no number, and the weights with it."""

    def __init__(self, *bad_steps, spoils_weights=True):
        super().__init__()
        self.bad_steps, self.spoils_weights = bad_steps, spoils_weights

    def loss(self, progress, generator):
        loss, parts = super().loss(progress, generator)
        if len(self.seen) in self.bad_steps:
            if self.spoils_weights:
                with torch.no_grad():
                    self.module.bias.fill_(torch.nan)
            loss = loss * torch.nan
        return loss, parts


def test_train_goes_back_to_its_checkpoint_when_a_gradient_is_not_finite(workspace):
    task = Diverging(60)
    assert run(task, workspace, 1.0)
    curve = workspace.read_json("curves/line")
    assert all(point["steps"] for point in curve)
    assert curve[-1]["slope"] == pytest.approx(3, abs=0.3)


def test_train_leaves_out_a_step_that_diverges_before_its_first_checkpoint(workspace, caplog):
    task = Diverging(2, spoils_weights=False)
    assert run(task, workspace, 1.0)
    assert "gradient not finite at step 2; left out" in caplog.text
    assert workspace.read_json("curves/line")[-1]["slope"] == pytest.approx(3, abs=0.3)


def test_train_whose_weights_diverge_before_its_first_checkpoint_gives_up(workspace):
    with pytest.raises(TrainingError, match="line: gradients are not finite"):
        run(Diverging(2), workspace, 1.0)


def test_train_that_diverges_again_and_again_gives_up(workspace):
    with pytest.raises(TrainingError, match="take another --seed"):
        run(Diverging(*range(40, 500)), workspace, 1.0)
