import pytest
import torch
from voiceagent_codec.conv import (
    Activated,
    CausalConv,
    CausalConvTranspose,
    ConvStack,
    Down,
    Residual,
    Up,
)

from voiceagent.testing import laws


@pytest.fixture
def system():
    torch.manual_seed(0)
    stack = ConvStack([CausalConv(5, 8, 3), Down(8, 12), Residual(12, dilation=2), Up(12, 6)])

    def step(x, state, active):
        with torch.inference_mode():
            return stack(x, state, None if bool(active.all()) else active)

    def whole(x):
        with torch.inference_mode():
            y = stack(x.flatten(1, 2), stack.init_state(len(x), "cpu"), None)
        return y.view(len(x), x.shape[1], -1, 6)

    return laws.StreamingSystem(lambda n: stack.init_state(n, "cpu"), step, whole, 1e-6)


@pytest.fixture
def inputs(generator):
    return torch.randn(3, 8, 4, 5, generator=generator)


def test_conv_stack_stepped_equals_the_whole(system, inputs):
    laws.check_equivalence(system, inputs)


def test_conv_stack_never_looks_ahead(system, inputs):
    laws.check_causality(system, inputs, at=5)


def test_conv_stack_slots_do_not_touch(system, inputs):
    laws.check_isolation(system, inputs, victim=1)


def test_conv_stack_slot_after_reset_is_new(system, inputs):
    laws.check_freshness(system, inputs, slot=2)


def test_conv_stack_idle_slot_keeps_every_bit(system, inputs):
    laws.check_inactive(system, inputs, idle=0)


def test_up_unfolds_channels_into_rows():
    up = Up(1, 2, factor=3)
    with torch.no_grad():
        up.conv.weight.zero_()
        up.conv.bias.copy_(torch.arange(6.0))
        y = up(torch.zeros(1, 1, 1), up.init_state(1, "cpu"), None)
    assert y.tolist() == [[[0, 1], [2, 3], [4, 5]]]


@pytest.fixture
def transposed():
    torch.manual_seed(0)
    return Activated(CausalConvTranspose(5, 3, 8, stride=4)).requires_grad_(False)


def test_transposed_conv_stepped_equals_the_whole(transposed, inputs):
    def whole(x):
        y = transposed(x.flatten(1, 2), transposed.init_state(len(x), "cpu"), None)
        return y.view(len(x), x.shape[1], -1, 3)

    system = laws.StreamingSystem(
        lambda n: transposed.init_state(n, "cpu"), transposed, whole, tolerance=1e-6
    )
    laws.check_equivalence(system, inputs)
    laws.check_isolation(system, inputs, victim=1)
    laws.check_inactive(system, inputs, idle=0)


def test_transposed_conv_gives_each_row_its_bias_once(transposed, inputs):
    transposed.conv.weight.zero_()
    transposed.conv.bias.fill_(2)
    state = transposed.init_state(3, "cpu")
    for frame in inputs.unbind(1):
        assert (transposed(frame, state, None) == 2).all()


def test_residual_may_be_narrower_inside():
    residual = Residual(6, hidden=2)
    assert residual.conv.weight.shape == (2, 18)
    y = residual(torch.zeros(1, 4, 6), residual.init_state(1, "cpu"), None)
    assert y.shape == (1, 4, 6)


def test_states_of_half_precision_layers_are_half_precision():
    for layer in (CausalConv(2, 3, 4), CausalConvTranspose(2, 3, 4, stride=2)):
        state = layer.to(torch.bfloat16).init_state(1, "cpu")
        assert next(state.tensors())[0].dtype == torch.bfloat16
