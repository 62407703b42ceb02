import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.weights import load_into, quantize_rows, read_checkpoint, save_checkpoint


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
        ({"w.scale": torch.zeros(2)}, "a scale without its tensor"),
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
