import dataclasses

import pytest
import torch
from torch import Tensor
from voiceagent_codec.errors import SlotError
from voiceagent_codec.streaming import SlotState, fresh, mask_or_none, write


@dataclasses.dataclass
class Inner(SlotState):
    count: Tensor = dataclasses.field(metadata=fresh(7))


@dataclasses.dataclass
class Outer(SlotState):
    rows: Tensor
    children: list[Inner]


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
