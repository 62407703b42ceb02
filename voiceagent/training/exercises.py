"""Turns to be read instead of heard: the user's words without a sound, and the answer to them.

Calls of sound are dear, and their few sums do not teach adding. These cost nothing: the user's text
stream holds the words, the codes are silence. Only which word comes next is learnt from them, not
when: with no sound there is nothing to hear a turn's end by.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceagent.scenes.domain import Turn, sample_turn
from voiceagent.scenes.seeds import pick
from voiceagent.training.vocabulary import EPAD, PAD, token_id

#: What has most to learn by heart.
_INTENTS = (*["add"] * 4, *["subtract"] * 4, *["open"], *["spell"], *["name"], None)
# frames from word to word, from the question to its answer, and on to the next question
_WORD_FRAMES, _ANSWER_FRAMES, _NEXT_FRAMES = (1, 6), (1, 4), (3, 12)


def exercises(rows: int, frames: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw rows of turns.

    Args:
        rows: how many.
        frames: in each.
        rng: where the draws come from.

    Returns:
        The agent's text and the user's: i64 [rows, frames].
    """
    text = np.full((rows, frames), PAD, np.int64)
    user_text = np.full((rows, frames), PAD, np.int64)
    for row in range(rows):
        at = int(rng.integers(*_NEXT_FRAMES))
        while at < frames:
            at = _place(sample_turn(rng, pick(rng, _INTENTS)), at, text[row], user_text[row], rng)
    return torch.from_numpy(text), torch.from_numpy(user_text)


def _place(
    turn: Turn,
    at: int,
    text: NDArray[np.int64],
    user_text: NDArray[np.int64],
    rng: np.random.Generator,
) -> int:
    """Write one turn from a frame on; returns where the next one may begin."""
    at = _place_words(turn.user_text.split(), at, user_text, rng)
    at += int(rng.integers(*_ANSWER_FRAMES))
    said = [turn.request, *turn.agent_text.split()]
    text[at - 1 : at] = EPAD
    at = _place_words([word for word in said if word is not None], at, text, rng)
    return at + int(rng.integers(*_NEXT_FRAMES))


def _place_words(
    words: list[str], at: int, stream: NDArray[np.int64], rng: np.random.Generator
) -> int:
    """Write words from a frame on; returns the frame after the last one."""
    for index, word in enumerate(words):
        at += int(rng.integers(*_WORD_FRAMES)) if index else 0
        stream[at : at + 1] = token_id(word)
    return at + 1
