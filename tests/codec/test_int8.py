import pytest
import torch
from torch import nn
from voiceagent_codec.conv import CausalConv
from voiceagent_codec.int8 import Int8CausalConv, Int8Linear, use_int8

from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.model.checkpoint import open_model


@pytest.fixture(scope="module")
def question():
    """Frames [T, 1, 1920]."""
    pcm = torch.from_numpy(read_wav(QUESTION).pcm.copy())
    return pcm[: len(pcm) // 1920 * 1920].view(-1, 1, 1920)


@pytest.fixture(scope="module")
def codec():
    codec = open_model("nano").load_codec()
    codec.use_int8()
    return codec


def test_every_layer_with_a_twin_is_replaced_and_nothing_else():
    inner = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2, bias=False), CausalConv(2, 2, 3))
    root = nn.Sequential(nn.Linear(4, 4), inner)
    use_int8(root)
    kinds = [type(module) for module in (root[0], *inner)]
    assert kinds == [Int8Linear, nn.LayerNorm, Int8Linear, Int8CausalConv]


def test_the_weights_of_a_checkpoint_are_kept_as_they_were_stored():
    layer = open_model("nano").load_codec().semantic.project
    kept = Int8Linear(layer)
    again = kept.weight.float() * kept.scale[:, None]
    torch.testing.assert_close(again, layer.weight, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_a_convolution_gives_the_same_but_for_its_rounding(stride, dilation, generator):
    conv = CausalConv(5, 7, 4, stride=stride, dilation=dilation).requires_grad_(False)
    twin = Int8CausalConv(conv)
    states = [layer.init_state(2, "cpu") for layer in (conv, twin)]
    active = torch.tensor([True, False])
    for _ in range(3):
        x = torch.randn(2, 8, 5, generator=generator)
        y, near = (
            layer(x, state, active) for layer, state in zip((conv, twin), states, strict=True)
        )
        torch.testing.assert_close(near, y, rtol=0, atol=0.05)
        assert torch.equal(states[0].previous, states[1].previous)


def test_nano_hears_much_the_same_in_8_bits(codec, make_speech):
    pcm = make_speech(8.0, rows=2)
    exact = open_model("nano").load_codec().encode_user(pcm)
    same = (exact == codec.encode_user(pcm)).float().mean((0, 1))
    assert same[0] > 0.9
    assert 0.6 < same.min() < 1


@pytest.mark.parametrize("rows", [2, 8])
def test_a_caller_is_heard_the_same_alone_and_among_others(codec, question, rows, generator):
    def codes(frames):
        slots = frames.shape[1]
        state, active = codec.init_state(slots), torch.ones(slots, dtype=torch.bool)
        return torch.stack([codec.encode_step(frame, state, active)[0] for frame in frames])

    among = 0.1 * torch.randn(len(question), rows, 1, 1920, generator=generator)
    among[:, 0] = question
    assert torch.equal(codes(among), codes(question[:, None]))
