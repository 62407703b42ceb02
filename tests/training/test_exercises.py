import numpy as np
import torch

from voiceagent.scenes.domain import turn_for
from voiceagent.training.exercises import exercises
from voiceagent.training.vocabulary import EPAD, PAD, tokens

FRAMES = 300


def words(stream):
    return [tokens()[token] for token in stream if token > EPAD]


def drawn(seed=0, rows=4):
    return exercises(rows, FRAMES, np.random.default_rng(seed))


def test_every_sum_is_answered_after_it_was_read():
    sums = 0
    for text, user_text in zip(*(rows.tolist() for rows in drawn()), strict=True):
        starts = [frame for frame, token in enumerate(text) if token == EPAD]
        for before, start, end in zip([-1, *starts], starts, starts[1:], strict=False):
            asked = turn_for(" ".join(words(user_text[before + 1 : start + 1])))
            if asked.intent in ("add", "subtract"):
                sums += 1
                assert " ".join(words(text[start:end])) == asked.agent_text
    assert sums > 8


def test_most_of_it_is_sums():
    said = words(drawn(rows=20)[0].flatten().tolist())
    assert said.count("plus") + said.count("minus") > 60


def test_draws_are_the_generators_own():
    assert torch.equal(drawn(1)[0], drawn(1)[0])
    assert not torch.equal(drawn(1)[0], drawn(2)[0])
    assert (drawn()[0] == PAD).any()
