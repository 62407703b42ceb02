"""Does the agent say the same thing again and again? Counted over its last words."""

from __future__ import annotations

from collections.abc import Sequence

#: The longest stretch of words whose repetition is looked for.
MAX_PERIOD_WORDS = 8


def repeats(words: Sequence[str]) -> int:
    """How often the last words stand in a row, for the stretch that is repeated most.

    Args:
        words: what the agent said last, the newest at the end; 64 are plenty.

    Returns:
        1 where nothing is repeated, 0 without words.
    """
    periods = range(1, min(MAX_PERIOD_WORDS, len(words)) + 1)
    return max((_repeats_of(words, period) for period in periods), default=0)


def _repeats_of(words: Sequence[str], period: int) -> int:
    last = words[-period:]
    count = 1
    while list(words[-period * (count + 1) : -period * count]) == list(last):
        count += 1
    return count
