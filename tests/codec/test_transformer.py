import dataclasses

import pytest
import torch
from voiceagent_codec.transformer import Transformer

from voiceagent.testing import laws

FRAMES = 15  # of two rows: the ring of 10 wraps three times


def make(config, **changes):
    torch.manual_seed(0)
    transformer = Transformer(dataclasses.replace(config, **changes)).requires_grad_(False)
    for layer in transformer.typed():
        layer.attention_scale.fill_(0.7)
        layer.hidden_scale.fill_(0.7)
    return transformer


@pytest.fixture
def transformer(tiny_config):
    return make(tiny_config, context=10)


@pytest.fixture
def system(transformer, offline):
    return laws.StreamingSystem(
        lambda n: transformer.init_state(n, "cpu"),
        transformer,
        lambda x: offline(transformer, x.flatten(1, 2)).view(x.shape),
        1e-5,
    )


@pytest.fixture
def inputs(tiny_config, generator):
    return torch.randn(3, FRAMES, 2, tiny_config.width, generator=generator)


def test_transformer_stepped_equals_attention_over_its_window(system, inputs):
    laws.check_equivalence(system, inputs)


def test_transformer_never_looks_ahead(system, inputs):
    laws.check_causality(system, inputs, at=9)


def test_transformer_slots_do_not_touch(system, inputs):
    laws.check_isolation(system, inputs, victim=1)


def test_transformer_slot_after_reset_is_new(system, inputs):
    laws.check_freshness(system, inputs, slot=2)


def test_transformer_idle_slot_keeps_every_bit(system, inputs):
    laws.check_inactive(system, inputs, idle=0)


@pytest.mark.parametrize(("row", "seen"), [(0, 9), (1, 10)])
def test_first_row_of_a_frame_sees_one_row_less_than_the_second(row, seen, tiny_config, generator):
    """As streaming moshi, whose ring has been written for both when the first one reads."""
    transformer = make(tiny_config, context=10, layers=1)
    x = torch.randn(1, 20, transformer.config.width, generator=generator)
    newest = 18 + row

    def output(rows):
        state = transformer.init_state(1, "cpu")
        frames = [transformer(frame, state, None) for frame in rows.split(2, dim=1)]
        return torch.cat(frames, 1)[0, newest]

    before = output(x)
    for age in range(newest + 1):
        changed = x.clone()
        changed[0, newest - age, 0] += 1
        assert (not torch.equal(before, output(changed))) == (age < seen), f"age {age}"


def test_transformer_after_2_to_the_17_rows_still_tells_places_apart(transformer, inputs):
    """Positions are absolute, and only their differences may count."""
    early, late = (transformer.init_state(3, "cpu") for _ in range(2))
    late.positions += 2**17 * transformer.config.context
    for frame in inputs.unbind(1):
        pair = [transformer(frame, state, None) for state in (early, late)]
    torch.testing.assert_close(*pair, rtol=1e-3, atol=1e-4)
