import pytest
import torch
from voiceagent_kernels.reference.ring_attention import ring_mask
from voiceagent_kernels.reference.rope import rope_rotation

from voiceagent.model.config import TransformerConfig
from voiceagent.model.layers import RingView, StepLinear, TransformerLayer

CONTEXT, RING = 5, 8


@pytest.mark.parametrize("norm", ["rms", "layer"])
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("rope_base", [None, 100.0])
def test_layer_stepped_through_a_wrapping_ring_equals_the_sequence(
    norm, gated, rope_base, generator
):
    config = TransformerConfig(
        width=16, layers=1, heads=2, hidden=24, norm=norm, gated=gated, rope_base=rope_base
    )
    layer = TransformerLayer(config)
    x = torch.randn(2, 20, 16, generator=generator)
    steps = torch.arange(20)
    age = steps[:, None] - steps

    def rotation(positions):
        return None if rope_base is None else rope_rotation(positions, 8, rope_base)

    with torch.inference_mode():
        whole = layer(x, rotation(steps[None]), (age >= 0) & (age < CONTEXT))
        ring = layer.init_ring(2, RING, "cpu", torch.float32)
        for t in range(20):
            position = torch.full((2,), t)
            mask = ring_mask(position, RING, CONTEXT)
            view = RingView(position % RING, mask, rotation(position[:, None]))
            y = layer.step(x[:, t], ring, view, None)
            torch.testing.assert_close(y, whole[:, t], rtol=1e-4, atol=1e-5)


def test_step_linear_uses_the_weight_of_its_step(generator):
    linear = StepLinear(4, 3, steps=5)
    x = torch.randn(2, 5, 4, generator=generator)
    rows = torch.stack([linear(x[:, k], k) for k in range(5)], dim=1)
    torch.testing.assert_close(linear.all_steps(x), rows)


def test_step_linear_with_one_weight_shares_it(generator):
    linear = StepLinear(4, 3, steps=1)
    x = torch.randn(2, 4, generator=generator)
    assert torch.equal(linear(x, 0), linear(x, 3))
