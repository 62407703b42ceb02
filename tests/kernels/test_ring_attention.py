import pytest
import torch
from voiceagent_kernels.reference.ring_attention import (
    ring_attention,
    ring_mask,
    ring_places,
    ring_write,
    sink_mask,
)


def test_ring_mask_before_the_context_is_full_shows_only_steps_taken():
    mask = ring_mask(torch.tensor([0, 2]), ring_steps=5, context=4)[:, 0, 0]
    assert mask.tolist() == [[True] + [False] * 4, [True] * 3 + [False] * 2]


def test_ring_mask_after_wrapping_hides_places_older_than_the_context():
    # position 7 lies at place 2; context 4 reaches back to positions 4..7 = places 4, 0, 1, 2
    assert ring_mask(torch.tensor([7]), 5, 4).flatten().tolist() == [True, True, True, False, True]


def test_ring_write_of_an_inactive_row_keeps_every_bit(generator):
    ring = torch.randn(2, 1, 5, 3, generator=generator)
    before = ring.clone()
    new = torch.randn(2, 1, 1, 3, generator=generator)
    ring_write(ring, new, torch.tensor([6, 6]), torch.tensor([True, False]))
    assert torch.equal(ring[0, 0, 1], new[0, 0, 0])
    assert torch.equal(ring[1], before[1])


def test_ring_attention_over_a_wrapped_ring_equals_attention_over_the_last_steps(generator):
    steps, context, ring_steps = 23, 6, 9
    query, keys, values = torch.randn(3, steps, 1, 2, 1, 8, generator=generator)
    key_ring, value_ring = torch.full((2, 1, 2, ring_steps, 8), float("inf")).nan_to_num()
    for step in range(steps):
        position = torch.tensor([step])
        ring_write(key_ring, keys[step], position, None)
        ring_write(value_ring, values[step], position, None)
    mask = ring_mask(torch.tensor([steps - 1]), ring_steps, context)
    recent_keys = torch.cat(list(keys[-context:]), dim=2)
    recent_values = torch.cat(list(values[-context:]), dim=2)
    weights = (query[-1] @ recent_keys.transpose(2, 3) / 8**0.5).softmax(-1)
    y = ring_attention(query[-1], key_ring, value_ring, mask)
    torch.testing.assert_close(y, weights @ recent_values)


def test_ring_places_of_pinned_steps_stay_while_the_rest_goes_round():
    pinned = torch.tensor(2).expand(8)
    assert ring_places(torch.arange(8), 5, pinned).tolist() == [0, 1, 2, 3, 4, 2, 3, 4]
    assert ring_places(torch.arange(8), 5, 0 * pinned).tolist() == [0, 1, 2, 3, 4, 0, 1, 2]


def test_ring_mask_of_pinned_steps_shows_them_and_fills_the_context_with_the_newest():
    # ring of 8, context 5, two pinned: position 12 is at place 6, with 11 and 10 before it
    mask = ring_mask(torch.tensor([12, 1, 4]), 8, 5, torch.tensor([2, 2, 2]))[:, 0, 0]
    shown = [row.nonzero().flatten().tolist() for row in mask]
    assert shown == [[0, 1, 4, 5, 6], [0, 1], [0, 1, 2, 3, 4]]


def test_ring_mask_with_nothing_pinned_is_that_without_pins():
    positions = torch.arange(40)
    none = torch.zeros(40, dtype=torch.int64)
    assert torch.equal(ring_mask(positions, 9, 7, none), ring_mask(positions, 9, 7))


def test_ring_mask_of_live_places_is_the_front_of_the_whole():
    positions = torch.tensor([0, 3])
    assert torch.equal(ring_mask(positions, 9, 7, None, 4), ring_mask(positions, 9, 7)[..., :4])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_ring_attention_over_the_live_front_equals_the_whole_ring_bit_for_bit(dtype, generator):
    query = torch.randn(3, 2, 1, 64, generator=generator).to(dtype)
    keys, values = torch.randn(2, 3, 2, 1000, 64, generator=generator).to(dtype)
    positions = torch.tensor([0, 30, 63])
    whole = ring_attention(query, keys, values, ring_mask(positions, 1000, 900))
    for live in (64, 128, 512):
        mask = ring_mask(positions, 1000, 900, None, live)
        assert torch.equal(ring_attention(query, keys, values, mask), whole)


def test_sink_mask_gives_pinned_keys_the_score_of_their_own_query(generator):
    query, sink_query = torch.randn(2, 1, 2, 1, 8, generator=generator)
    keys, values = torch.randn(2, 1, 2, 9, 8, generator=generator)
    mask, is_pinned = torch.arange(9).view(1, 1, 1, 9) < 7, torch.arange(4).view(1, 1, 1, 4) < 3
    scores = torch.cat((sink_query @ keys[:, :, :3].mT, query @ keys[:, :, 3:7].mT), -1) / 8**0.5
    bias = sink_mask(mask, query, sink_query, keys, is_pinned)
    y = ring_attention(query, keys, values, bias)
    torch.testing.assert_close(y, scores.softmax(-1) @ values[:, :, :7])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sink_mask_of_equal_queries_changes_no_bit(dtype, generator):
    query = torch.randn(2, 2, 1, 64, generator=generator).to(dtype)
    keys, values = torch.randn(2, 2, 2, 100, 64, generator=generator).to(dtype)
    mask, is_pinned = ring_mask(torch.tensor([20, 250]), 100, 90), torch.ones(2, 1, 1, 16).bool()
    bias = sink_mask(mask, query, query, keys, is_pinned)
    with_sink = ring_attention(query, keys, values, bias)
    assert torch.equal(with_sink, ring_attention(query, keys, values, mask))
