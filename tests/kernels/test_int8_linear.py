import pytest
import torch
from voiceagent_kernels.reference import int8_linear as module
from voiceagent_kernels.reference.int8_linear import int8_linear


@pytest.fixture(params=[False, True], ids=["slow", "fast"], autouse=True)
def is_fast(request, monkeypatch):
    if request.param and not module.int8_is_fast():
        pytest.skip("this CPU has no VNNI")
    monkeypatch.setattr(module, "int8_is_fast", lambda: request.param)


@pytest.fixture
def layer(generator):
    """Weights that int8 holds exactly."""
    weight = torch.randint(-127, 128, (33, 70), generator=generator, dtype=torch.int8)
    return weight, torch.rand(33, generator=generator), torch.randn(33, generator=generator)


@pytest.mark.parametrize("shape", [(1, 70), (5, 70), (2, 3, 70)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_int8_linear_follows_the_formula_but_for_its_rounding(shape, has_bias, layer, generator):
    weight, scale, bias = layer
    x = torch.randn(shape, generator=generator)
    y = int8_linear(x, weight, scale, bias if has_bias else None)
    expected = x @ (weight * scale[:, None]).T + (bias if has_bias else 0)
    assert y.shape == (*shape[:-1], 33)
    # an input is off by half a unit at most, each in its own direction
    most = 0.5 * x.abs().amax() / 127 * (weight.abs().sum(1) * scale).amax()
    assert 0 < (y - expected).abs().amax() < 0.5 * most


def test_inputs_that_int8_holds_give_the_exact_sums(layer, generator):
    weight, scale, bias = layer
    x = torch.randint(-126, 127, (4, 70), generator=generator).float()
    x[:, 3] = 127
    expected = (x.double() @ weight.T.double() * scale.double() + bias.double()).float()
    torch.testing.assert_close(int8_linear(x, weight, scale, bias), expected, rtol=1e-6, atol=1e-4)


def test_a_row_has_the_same_bits_alone_and_beside_loud_ones(layer, generator):
    x = torch.randn(6, 70, generator=generator)
    x[1:] *= 1000
    alone = int8_linear(x[:1], *layer)
    assert torch.equal(int8_linear(x, *layer)[:1], alone)


def test_the_largest_products_do_not_overflow():
    weight = torch.full((8, 512), 127, dtype=torch.int8)
    y = int8_linear(torch.ones(2, 512), weight, torch.ones(8), None)
    torch.testing.assert_close(y, torch.full((2, 8), 512 * 127.0))


def test_silence_stays_silent(layer):
    weight, scale, bias = layer
    assert torch.equal(int8_linear(torch.zeros(2, 70), weight, scale, bias), bias.expand(2, -1))
