import torch
from voiceagent_kernels.reference.ring_attention import ring_attention, ring_mask, ring_write


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
