import math

import torch
from voiceagent_kernels.reference.rope import apply_rope, rope_rotation


def test_apply_rope_turns_interleaved_pairs_by_position_times_frequency():
    x = torch.tensor([1.0, 0.0, 1.0, 0.0]).view(1, 1, 1, 4)
    y = apply_rope(x, rope_rotation(torch.tensor([[3]]), 4, 100.0)).flatten()
    slow = 3 * 100 ** (-2 / 4)
    expected = torch.tensor([math.cos(3), math.sin(3), math.cos(slow), math.sin(slow)])
    torch.testing.assert_close(y, expected)


def test_rope_products_depend_on_the_distance_alone_even_after_2_to_the_17_steps(generator):
    query, key = torch.randn(2, 1, 1, 1, 64, generator=generator)

    def product(at: int) -> torch.Tensor:
        turned = [
            apply_rope(x, rope_rotation(torch.tensor([[p]]), 64, 10_000.0))
            for x, p in ((query, at), (key, at - 5))
        ]
        return (turned[0] * turned[1]).sum()

    torch.testing.assert_close(product(10), product(2**17), rtol=1e-5, atol=1e-5)
