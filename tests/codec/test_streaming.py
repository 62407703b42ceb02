import dataclasses

import pytest
import torch
from torch import Tensor
from voiceagent_codec.errors import SlotError
from voiceagent_codec.streaming import SlotState, fresh, mask_or_none, places, write


@dataclasses.dataclass
class Inner(SlotState):
    count: Tensor = dataclasses.field(metadata=fresh(7))


@dataclasses.dataclass
class Outer(SlotState):
    rows: Tensor
    children: list[Inner]


@dataclasses.dataclass
class Ring(SlotState):
    count: Tensor
    past: Tensor = dataclasses.field(metadata=places(2))  # [B, H, S, D]


@pytest.fixture
def state() -> Outer:
    children = [Inner(torch.full((3,), 7)), Inner(torch.full((3,), 7))]
    return Outer(torch.zeros(3, 2), children)


def test_reset_of_a_slot_restores_fresh_values_and_spares_the_others(state):
    state.rows += 5
    state.children[1].count += 5
    state.reset([1])
    assert state.rows.tolist() == [[5, 5], [0, 0], [5, 5]]
    assert state.children[1].count.tolist() == [12, 7, 12]


@pytest.mark.parametrize("slot", [-1, 3])
def test_reset_of_a_slot_out_of_range_names_it_and_changes_nothing(state, slot):
    state.rows += 5
    with pytest.raises(SlotError, match=f"slot {slot} of a state of 3"):
        state.reset([0, slot])
    assert state.rows.min() == 5


def test_prefix_shares_storage_with_the_whole(state):
    view = state.prefix(2)
    view.rows[1] = 9
    view.children[0].count[0] = 9
    assert view.num_slots == 2
    assert state.rows[1].tolist() == [9, 9]
    assert state.children[0].count.tolist() == [9, 7, 7]


@pytest.mark.parametrize("size", [0, 4])
def test_prefix_of_an_impossible_size_is_refused(state, size):
    with pytest.raises(SlotError, match=f"prefix of {size}"):
        state.prefix(size)


def test_alone_is_one_slot_on_the_same_storage(state):
    view = state.alone(2)
    view.rows[0] = 9
    assert view.num_slots == 1
    assert state.rows.tolist() == [[0, 0], [0, 0], [9, 9]]


@pytest.fixture
def ring():
    """Slot 1 has taken 3 of 5 steps."""
    state = Ring(torch.zeros(3, dtype=torch.int64), torch.zeros(3, 2, 5, 4))
    state.count[1] = 3
    state.past[1, :, :3] = torch.rand(2, 3, 4)
    return state


def test_restored_slot_equals_the_one_the_snapshot_was_taken_of(ring):
    kept = ring.snapshot(1, 3)
    wanted = [tensor[1].clone() for tensor, _ in ring.tensors()]
    others = ring.past[0].clone()
    ring.past[1] = ring.past[2] = float("nan")
    ring.restore(2, kept)
    for tensor, before in zip((t for t, _ in ring.tensors()), wanted, strict=True):
        assert torch.equal(tensor[2], before)
    assert torch.equal(ring.past[0], others)
    assert ring.past[1].isnan().all()


def test_snapshot_is_as_short_as_its_steps_and_shares_nothing(ring):
    kept = ring.snapshot(1, 3)
    assert kept.num_bytes() == 8 + 2 * 3 * 4 * 4
    before = kept.past.clone()
    ring.reset([1])
    assert torch.equal(kept.past, before)


def test_snapshot_of_a_ring_that_came_round_is_refused(ring):
    with pytest.raises(SlotError, match="6 steps of a ring of 5"):
        ring.snapshot(1, 6)


@pytest.mark.parametrize("slot", [-1, 3])
def test_restore_into_a_slot_out_of_range_names_it_and_changes_nothing(ring, slot):
    before = ring.past.clone()
    with pytest.raises(SlotError, match=f"slot {slot} of a state of 3"):
        ring.restore(slot, ring.snapshot(1, 3))
    assert torch.equal(ring.past, before)


@pytest.mark.parametrize(
    ("rows", "active"),
    [
        (2, torch.ones(2, dtype=torch.bool)),
        (3, torch.ones(2, dtype=torch.bool)),
        (3, torch.ones(3)),
    ],
)
def test_check_batch_refuses_another_batch_size_or_mask(state, rows, active):
    with pytest.raises(SlotError, match="on a state of 3 slots"):
        state.check_batch(rows, active)


def test_num_bytes_counts_every_tensor(state):
    assert state.num_bytes() == 3 * 2 * 4 + 2 * 3 * 8


def test_write_with_a_mask_changes_active_rows_in_place():
    old = torch.zeros(2, 3)
    alias = old
    write(old, torch.ones(2, 3), torch.tensor([False, True]))
    assert alias.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_mask_or_none_drops_only_a_mask_of_all_true():
    assert mask_or_none(torch.tensor([True, True])) is None
    mask = torch.tensor([True, False])
    assert mask_or_none(mask) is mask
