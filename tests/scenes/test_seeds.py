import numpy as np

from voiceagent.scenes.seeds import child_rng, draw_seed, pick


def test_child_rng_for_the_same_purpose_repeats_itself():
    assert child_rng(3, "noise").random() == child_rng(3, "noise").random()


def test_child_rng_for_another_purpose_or_seed_differs():
    draws = {child_rng(*key).random() for key in [(3, "noise"), (3, "text"), (4, "noise"), (3,)]}
    assert len(draws) == 4


def test_pick_reaches_every_item():
    rng = np.random.default_rng(0)
    assert {pick(rng, "abc") for _ in range(100)} == set("abc")


def test_draw_seed_is_a_plain_number_in_range(rng):
    seed = draw_seed(rng)
    assert type(seed) is int
    assert 0 <= seed < 2**31
