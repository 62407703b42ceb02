import pytest
import torch
import torch.nn.functional as F
from voiceagent_kernels.reference.causal_conv_step import causal_conv_step


@pytest.mark.parametrize(
    ("taps", "stride", "dilation"), [(1, 1, 1), (3, 1, 1), (3, 1, 2), (4, 2, 1), (7, 3, 2)]
)
def test_causal_conv_step_fed_in_pieces_equals_a_padded_convolution(
    taps, stride, dilation, generator
):
    rows, channels_in, channels_out, batch = 24, 5, 3, 2
    x = torch.randn(batch, rows, channels_in, generator=generator)
    weight = torch.randn(channels_out, channels_in, taps, generator=generator)
    bias = torch.randn(channels_out, generator=generator)
    history = (taps - 1) * dilation + 1 - stride
    padded = F.pad(x.transpose(1, 2), (history, 0))
    expected = F.conv1d(padded, weight, bias, stride=stride, dilation=dilation).transpose(1, 2)
    flat = weight.permute(0, 2, 1).reshape(channels_out, -1)
    previous, pieces = torch.zeros(batch, history, channels_in), []
    for piece in x.split(6, dim=1):
        y, previous = causal_conv_step(
            piece, previous, flat, bias, stride=stride, dilation=dilation
        )
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, 1), expected, rtol=1e-4, atol=1e-5)
