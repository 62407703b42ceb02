"""Randomness of the scenes: every draw comes from a generator made from a seed and a purpose.

Two purposes of one seed never share a generator, so a further draw for the text of a scene leaves
its noise as it was. Not cryptographic, and no global generator is touched.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def child_rng(seed: int, *purpose: str) -> np.random.Generator:
    """Return the generator of one purpose of a seed.

    Args:
        seed: zero or more.
        *purpose: words that name the use, such as ``"noise"`` or the text to be spoken.

    Returns:
        A generator; the same arguments always give the same numbers.
    """
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in purpose)])


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """Return one of `items`, each as likely as the other."""
    return items[int(rng.integers(len(items)))]


def draw_seed(rng: np.random.Generator) -> int:
    """Return a seed for something that is to be made on its own, in [0, 2**31)."""
    return int(rng.integers(1 << 31))
