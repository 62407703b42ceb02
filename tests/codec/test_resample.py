import pytest
import torch
import torch.nn.functional as F
from voiceagent_codec.resample import Downsample, Upsample

from voiceagent.testing import laws

CHANNELS = 6


@pytest.fixture(params=[Downsample, Upsample])
def layer(request):
    torch.manual_seed(0)
    return request.param(CHANNELS).requires_grad_(False)


@pytest.fixture
def system(layer):
    def whole(x):
        y = layer(x.flatten(1, 2), layer.init_state(len(x), "cpu"), None)
        return y.view(len(x), x.shape[1], -1, CHANNELS)

    return laws.StreamingSystem(lambda n: layer.init_state(n, "cpu"), layer, whole, 1e-6)


@pytest.fixture
def inputs(generator):
    return torch.randn(3, 8, 2, CHANNELS, generator=generator)


def test_resampling_stepped_equals_the_whole(system, inputs):
    laws.check_equivalence(system, inputs)


def test_resampling_never_looks_ahead(system, inputs):
    laws.check_causality(system, inputs, at=5)


def test_resampling_slots_do_not_touch(system, inputs):
    laws.check_isolation(system, inputs, victim=1)


def test_resampling_slot_after_reset_is_new(system, inputs):
    laws.check_freshness(system, inputs, slot=2)


def test_resampling_idle_slot_keeps_every_bit(system, inputs):
    laws.check_inactive(system, inputs, idle=0)


def test_downsample_takes_its_first_row_for_the_past(inputs):
    down = Downsample(CHANNELS).requires_grad_(False)
    x = inputs.flatten(1, 2)
    weight = down.weight.view(CHANNELS, 4, CHANNELS).transpose(1, 2)
    padded = F.pad(x.transpose(1, 2), (2, 0), mode="replicate")
    expected = F.conv1d(padded, weight, stride=2).transpose(1, 2)
    torch.testing.assert_close(down(x, down.init_state(3, "cpu"), None), expected)


def test_downsample_pads_at_the_first_frame_that_is_active(inputs):
    """An idle slot's rubbish before its first frame must not become its past."""
    down = Downsample(CHANNELS).requires_grad_(False)
    late, prompt = down.init_state(3, "cpu"), down.init_state(3, "cpu")
    down(inputs[:, 0], late, torch.tensor([True, False, True]))
    y = down(inputs[:, 1], late, None)
    assert torch.equal(y[1], down(inputs[:, 1], prompt, None)[1])
    assert not torch.equal(y[0], down(inputs[:, 1], down.init_state(3, "cpu"), None)[0])


def test_upsample_keeps_channels_apart(inputs):
    up = Upsample(CHANNELS).requires_grad_(False)
    changed = inputs[:, 0].clone()
    changed[:, :, 2] += 1
    difference = up(changed, up.init_state(3, "cpu"), None) - up(
        inputs[:, 0], up.init_state(3, "cpu"), None
    )
    assert difference.abs().amax((0, 1)).nonzero().flatten().tolist() == [2]
