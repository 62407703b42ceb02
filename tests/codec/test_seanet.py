import pytest
import torch
from voiceagent_codec.mimi_config import MimiConfig
from voiceagent_codec.seanet import seanet_decoder, seanet_encoder

from voiceagent.testing import laws


@pytest.fixture(params=["encoder", "decoder"])
def side(request):
    return request.param


@pytest.fixture
def system(side, tiny_config):
    torch.manual_seed(0)
    stack = (seanet_encoder if side == "encoder" else seanet_decoder)(tiny_config)
    stack.requires_grad_(False)

    def whole(x):
        y = stack(x.flatten(1, 2), stack.init_state(len(x), "cpu"), None)
        return y.view(len(x), x.shape[1], -1, y.shape[2])

    return laws.StreamingSystem(lambda n: stack.init_state(n, "cpu"), stack, whole, 1e-5)


@pytest.fixture
def inputs(side, tiny_config, generator):
    shape = (12, 1) if side == "encoder" else (2, tiny_config.width)
    return torch.randn(3, 8, *shape, generator=generator)


def test_seanet_stepped_equals_the_whole(system, inputs):
    laws.check_equivalence(system, inputs)


def test_seanet_never_looks_ahead(system, inputs):
    laws.check_causality(system, inputs, at=5)


def test_seanet_slots_do_not_touch(system, inputs):
    laws.check_isolation(system, inputs, victim=1)


def test_seanet_slot_after_reset_is_new(system, inputs):
    laws.check_freshness(system, inputs, slot=2)


def test_seanet_idle_slot_keeps_every_bit(system, inputs):
    laws.check_inactive(system, inputs, idle=0)


@pytest.mark.parametrize(
    ("make", "widths"),
    [
        (seanet_encoder, [6, 2, 4, 2, 5, 2, 6, 2, 8, 2]),
        (seanet_decoder, [6, 8, 2, 6, 2, 5, 2, 4, 2, 2]),
    ],
)
def test_seanet_of_published_size_remembers_as_many_rows_as_moshis(make, widths):
    with torch.device("meta"):
        state = make(MimiConfig()).init_state(1, "meta")
    assert [next(layer.tensors())[0].shape[1] for layer in state.layers] == widths
