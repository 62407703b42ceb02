import pytest
import torch
from voiceagent_kernels.reference.rms_norm import rms_norm

TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 2e-2}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", [(1, 1), (5, 123), (2, 3, 257)])
def test_rms_norm_on_odd_shapes_follows_the_formula(shape, dtype, generator):
    x = torch.randn(shape, generator=generator).to(dtype)
    weight = torch.rand(shape[-1], generator=generator).to(dtype)
    wide = x.double()
    expected = wide * weight.double() / (wide.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    y = rms_norm(x, weight, 1e-5)
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_rms_norm_of_bfloat16_computes_in_float32():
    x = torch.full((1, 4096), 1e-4, dtype=torch.bfloat16)
    assert rms_norm(x, torch.ones(4096, dtype=torch.bfloat16), 0.0).float().mean() > 0.99
