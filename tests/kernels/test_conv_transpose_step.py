import pytest
import torch
import torch.nn.functional as F
from voiceagent_kernels.reference.conv_transpose_step import (
    conv_transpose_step,
    depthwise_transpose_step,
)

ROWS, BATCH = 12, 2


def stepped(step, x, history, channels, piece):
    """The output of a whole signal that arrives in pieces."""
    partial, pieces = torch.zeros(len(x), history, channels), []
    for rows in x.split(piece, dim=1):
        y, partial = step(rows, partial)
        pieces.append(y)
    return torch.cat(pieces, 1)


@pytest.mark.parametrize("piece", [1, 3, 12])
@pytest.mark.parametrize(("taps", "stride"), [(4, 2), (16, 8), (5, 5), (9, 3), (3, 1)])
def test_conv_transpose_step_fed_in_pieces_equals_a_trimmed_transposed_convolution(
    taps, stride, piece, generator
):
    x = torch.randn(BATCH, ROWS, 5, generator=generator)
    weight = torch.randn(5, 3, taps, generator=generator)
    bias = torch.randn(3, generator=generator)
    expected = F.conv_transpose1d(x.transpose(1, 2), weight, bias, stride=stride).transpose(1, 2)
    flat = weight.permute(2, 1, 0).reshape(-1, 5)
    y = stepped(
        lambda rows, partial: conv_transpose_step(rows, partial, flat, bias, stride=stride),
        *(x, taps - stride, 3, piece),
    )
    torch.testing.assert_close(y, expected[:, : ROWS * stride], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("piece", [1, 4])
def test_depthwise_transpose_step_equals_a_grouped_transposed_convolution(piece, generator):
    x = torch.randn(BATCH, ROWS, 3, generator=generator)
    weight = torch.randn(3, 1, 4, generator=generator)
    expected = F.conv_transpose1d(x.transpose(1, 2), weight, stride=2, groups=3).transpose(1, 2)
    flat = weight[:, 0].t()
    y = stepped(
        lambda rows, partial: depthwise_transpose_step(rows, partial, flat, stride=2),
        *(x, 2, 3, piece),
    )
    torch.testing.assert_close(y, expected[:, : ROWS * 2])


def test_conv_transpose_step_keeps_the_bias_out_of_the_state():
    weight, bias = torch.zeros(4 * 2, 3), torch.ones(2)
    y, partial = conv_transpose_step(
        torch.ones(1, 1, 3), torch.zeros(1, 2, 2), weight, bias, stride=2
    )
    assert y.tolist() == [[[1, 1], [1, 1]]]
    assert partial.abs().sum() == 0
