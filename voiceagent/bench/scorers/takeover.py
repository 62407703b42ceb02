"""Takeover: whether an agent took the floor anywhere in a recording, and how soon after a moment.

The rule of the axes pause handling, smooth turn-taking and user interruption. It looks at the words
alone: a greeting at the start counts, and so does talking straight through the user's turn. What
that hides is in `honest`.

Source: Full-Duplex-Bench (arXiv 2503.04721) as its scripts compute it; the paper's text says "fewer
than two words", the scripts accept three.
"""

from __future__ import annotations

from collections.abc import Sequence

from voiceagent.bench.transcript import TimedWord

#: Shorter, and of no more words than this, is a backchannel.
BACKCHANNEL_S, BACKCHANNEL_WORDS = 1.0, 3


def is_takeover(words: Sequence[TimedWord]) -> bool:
    """Whether all that was said is more than a backchannel."""
    if not words:
        return False
    return span_s(words) >= BACKCHANNEL_S or len(words) > BACKCHANNEL_WORDS


def span_s(words: Sequence[TimedWord]) -> float:
    """From the first word's start to the last one's end, silence included.

    A last word without an end counts as long as nothing.
    """
    return words[-1].last_s - words[0].start_s if words else 0.0


def latency_s(words: Sequence[TimedWord], since_s: float) -> float | None:
    """From a moment to the first word; 0 where it came before; None where nothing took over.

    Args:
        words: of the whole recording, or of what follows an interruption.
        since_s: the end of the user's turn.
    """
    return max(0.0, words[0].start_s - since_s) if is_takeover(words) else None


def is_takeover_by_sound(stretches_s: Sequence[tuple[float, float]]) -> bool:
    """The same verdict from stretches of sound, where nobody recognised words: by length alone."""
    return bool(stretches_s) and stretches_s[-1][1] - stretches_s[0][0] >= BACKCHANNEL_S
