import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceagent.errors import SessionClosed
from voiceagent.serving.slots import SlotTable


def test_acquire_gives_the_lowest_free_slot_until_none_is_left():
    table = SlotTable(2)
    first, second = table.acquire(), table.acquire()
    assert (first.index, second.index, table.acquire()) == (0, 1, None)
    table.release(first)
    assert table.acquire().index == 0


def test_a_handle_kept_after_its_release_is_refused():
    table = SlotTable(1)
    stale = table.acquire()
    table.release(stale)
    with pytest.raises(SessionClosed):
        table.release(stale)
    fresh = table.acquire()
    with pytest.raises(SessionClosed, match="generation"):
        table.check(stale)
    table.check(fresh)


@given(st.lists(st.booleans(), max_size=60))
def test_slots_are_never_given_out_twice(acquires):
    table, held = SlotTable(4), []
    for acquire in acquires:
        if acquire and (handle := table.acquire()):
            held.append(handle)
        elif held and not acquire:
            table.release(held.pop(0))
        indices = [handle.index for handle in held]
        assert len(set(indices)) == len(indices)
        assert table.num_free == table.num_slots - len(held)


def test_slots_freed_out_of_order_are_given_out_lowest_first():
    table = SlotTable(4)
    handles = [table.acquire() for _ in range(4)]
    for index in (2, 0, 3):
        table.release(handles[index])
    assert [table.acquire().index for _ in range(3)] == [0, 2, 3]


def test_every_owner_of_a_slot_has_a_generation_of_its_own():
    table, seen = SlotTable(1), set()
    for _ in range(5):
        handle = table.acquire()
        seen.add(handle.generation)
        table.release(handle)
    assert len(seen) == 5
