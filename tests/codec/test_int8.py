import pytest
import torch
from torch import nn
from voiceagent_codec.int8 import Int8Linear, use_int8
from voiceagent_kernels.reference.int8_linear import int8_is_fast

from voiceagent.model.checkpoint import open_model

pytestmark = pytest.mark.skipif(not int8_is_fast(), reason="this CPU has no VNNI")


def test_every_linear_layer_below_is_replaced_and_nothing_else():
    root = nn.Sequential(
        nn.Linear(4, 4), nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2, bias=False))
    )
    use_int8(root)
    kinds = [type(module) for module in root.modules()]
    assert kinds.count(Int8Linear) == 2
    assert nn.Linear not in kinds
    assert nn.LayerNorm in kinds


def test_the_weights_of_a_checkpoint_are_kept_as_they_were_stored():
    codec = open_model("nano").load_codec()
    layer = codec.semantic.encoder.layers[0].hidden_in
    kept = Int8Linear(layer)
    again = kept.weight.float() * kept.scale[:, None]
    torch.testing.assert_close(again, layer.weight, rtol=1e-6, atol=0)


def test_nano_hears_much_the_same_in_8_bits(make_speech):
    model = open_model("nano")
    exact, fast = model.load_codec(), model.load_codec()
    fast.use_int8()
    pcm = make_speech(8.0, rows=2)
    same = (exact.encode_user(pcm) == fast.encode_user(pcm)).float().mean((0, 1))
    assert same[0] > 0.9
    assert 0.6 < same.min() < 1
