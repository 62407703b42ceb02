import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.weights import (
    add_low_rank,
    load_into,
    quantize_rows,
    read_checkpoint,
    read_low_rank,
    save_checkpoint,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def layer():
    return nn.Linear(6, 4)


def test_checkpoint_saved_and_read_returns_half_precision_values(path, layer):
    save_checkpoint(path, layer.state_dict(), "toy")
    tensors = read_checkpoint(path, "toy")
    torch.testing.assert_close(tensors["weight"], layer.weight.detach(), rtol=1e-3, atol=1e-3)
    assert tensors["weight"].dtype == torch.float32


def test_checkpoint_stored_as_int8_errs_by_half_a_step_at_most(path, layer):
    save_checkpoint(path, layer.state_dict(), "toy", quantize=lambda name, value: value.dim() == 2)
    weight = layer.weight.detach()
    error = (read_checkpoint(path, "toy")["weight"] - weight).abs()
    assert (error <= weight.abs().amax(1, keepdim=True) / 127 * 0.5001).all()


def test_what_is_learnt_later_is_added_and_the_rest_keeps_every_byte(path, tmp_path, layer):
    save_checkpoint(path, layer.state_dict(), "toy", quantize=lambda name, value: value.dim() == 2)
    before, generator = read_checkpoint(path, "toy"), torch.Generator().manual_seed(0)
    for number in range(2):  # the second in place of the first
        outer, inner = (torch.randn(shape, generator=generator) for shape in ((4, 2), (2, 6)))
        longer = tmp_path / f"longer{number}.safetensors"
        add_low_rank(path, longer, "toy", {"weight": (outer, inner)})
        with safe_open(path, "pt") as old, safe_open(longer, "pt") as new:
            kept = [name for name in old.keys() if "weight.outer" not in name]
            kept = [name for name in kept if "weight.inner" not in name]
            assert all(torch.equal(old.get_tensor(name), new.get_tensor(name)) for name in kept)
        after = read_checkpoint(longer, "toy")
        torch.testing.assert_close(
            after["weight"], before["weight"] + outer @ inner, rtol=0, atol=0.1
        )
        assert torch.equal(after["bias"], before["bias"])
        ((name, (weight, *factors)),) = read_low_rank(longer, "toy").items()
        assert name == "weight"
        assert torch.equal(weight, before["weight"])
        assert torch.equal(weight + factors[0] @ factors[1], after["weight"])
        path = longer


def test_add_low_rank_to_a_tensor_that_is_not_there_names_it(path, tmp_path, layer):
    save_checkpoint(path, layer.state_dict(), "toy")
    factors = torch.zeros(4, 1), torch.zeros(1, 6)
    with pytest.raises(WeightsError, match=r"model.safetensors.*other.*missing"):
        add_low_rank(path, tmp_path / "x.safetensors", "toy", {"other": factors})


def test_quantize_rows_of_zeros_gives_zeros():
    values, scale = quantize_rows(torch.zeros(2, 3))
    assert values.abs().sum() == 0
    assert (scale > 0).all()


def test_save_checkpoint_leaves_no_partial_file(path, layer):
    save_checkpoint(path, layer.state_dict(), "toy")
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_read_checkpoint_of_a_missing_file_says_so(path):
    with pytest.raises(WeightsError, match=r"model\.safetensors: no such file"):
        read_checkpoint(path, "toy")


@pytest.mark.parametrize("keep", [0, 5, 200, -3])
def test_read_checkpoint_of_a_truncated_file_says_so(path, layer, keep):
    save_checkpoint(path, layer.state_dict(), "toy")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        read_checkpoint(path, "toy")


def test_read_checkpoint_of_another_kind_names_both(path, layer):
    save_checkpoint(path, layer.state_dict(), "toy")
    with pytest.raises(WeightsError, match="holds toy, expected decoder"):
        read_checkpoint(path, "decoder")


def test_read_checkpoint_of_a_foreign_file_says_so(path):
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="a foreign checkpoint"):
        read_checkpoint(path, "toy")


def test_read_checkpoint_of_another_version_names_both(path):
    save_file({"x": torch.zeros(1)}, path, metadata={"kind": "toy", "version": "99"})
    with pytest.raises(WeightsError, match="version 99, this program reads 1"):
        read_checkpoint(path, "toy")


@pytest.mark.parametrize("name", ["model.pt", "model.bin", "model.ckpt"])
def test_read_checkpoint_of_a_pickle_is_refused_unopened(tmp_path, name):
    with pytest.raises(WeightsError, match="can run code"):
        read_checkpoint(tmp_path / name, "toy")


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({"w": torch.zeros(2, 2, dtype=torch.int8)}, "'w': is int8 without its scale"),
        ({"w.scale": torch.zeros(2)}, "is scale of a tensor that is missing"),
        ({"w": torch.zeros(2, 2), "w.inner": torch.zeros(1, 2)}, "an inner factor alone"),
        (
            {"w": torch.zeros(2, 2), "w.outer": torch.zeros(2, 1), "w.inner": torch.zeros(3, 2)},
            r"'w': is \[2, 2\]; its outer and inner factors are \[2, 1\], \[3, 2\]",
        ),
        (
            {"w": torch.zeros(2, 2, dtype=torch.int8), "w.scale": torch.zeros(3)},
            r"scales of shape \[3\], expected \[2\]",
        ),
        ({"w": torch.zeros(2, dtype=torch.int64)}, "dtype torch.int64"),
        ({"w": torch.tensor([float("nan")])}, "not finite"),
    ],
)
def test_read_checkpoint_with_a_bad_tensor_names_it(path, tensors, problem):
    save_file(tensors, path, metadata={"kind": "toy", "version": "1"})
    with pytest.raises(WeightsError, match=problem):
        read_checkpoint(path, "toy")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"bias": None}, r"'bias': missing; expected \[4\]"),
        ({"extra": torch.zeros(1)}, "'extra': is no part of this model"),
        ({"weight": torch.zeros(4, 5)}, r"'weight': has shape \[4, 5\], expected \[4, 6\]"),
    ],
)
def test_load_into_of_what_does_not_fit_names_the_tensor_and_loads_nothing(
    path, layer, change, problem
):
    before = layer.weight.detach().clone()
    tensors = {"weight": torch.ones(4, 6), "bias": torch.ones(4), **change}
    with pytest.raises(WeightsError, match=problem):
        load_into(layer, {k: v for k, v in tensors.items() if v is not None}, path)
    assert torch.equal(layer.weight, before)
