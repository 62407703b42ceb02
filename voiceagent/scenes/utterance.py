"""Spoken text with the time of every word: what each synthesiser of this room returns.

Times are whole milliseconds from the utterance's first sample; at 24 kHz a millisecond is exactly
24 samples, so a time and a sample index convert without rounding. An utterance starts with its
first sound and ends with its last: silence around it belongs to the scene.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples

SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000

# share of the loudest sample below which a synthesiser's output is silence (-34 dB)
_QUIET = 0.02
# how much sound may come before the first word: diphone voices hum in their pauses
_LEAD_MS = 40


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word, from its first sound to its last."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Phone:
    """One speech sound, to the next one's start; `name` is one of `phones.PHONES`."""

    name: str
    start_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """Speech with the times of what is in it.

    Attributes:
        pcm: f32[N] at 24 kHz in [-1, 1], N a multiple of 24.
        words: in order.
        phones: in order, pauses included; empty where the synthesiser tells none.
    """

    pcm: Samples
    words: tuple[Word, ...]
    phones: tuple[Phone, ...] = ()

    @property
    def duration_ms(self) -> int:
        """Length of the audio."""
        return len(self.pcm) // SAMPLES_PER_MS

    def part(self, first: int, stop: int) -> Utterance:
        """Return what is heard of some of the words, ``words[first:stop]``."""
        words = self.words[first:stop]
        start_ms, end_ms = words[0].start_ms, words[-1].end_ms
        span = slice(start_ms * SAMPLES_PER_MS, end_ms * SAMPLES_PER_MS)
        return Utterance(
            self.pcm[span],
            tuple(Word(w.text, w.start_ms - start_ms, w.end_ms - start_ms) for w in words),
            tuple(
                Phone(phone.name, phone.start_ms - start_ms)
                for phone in self.phones
                if start_ms <= phone.start_ms < end_ms
            ),
        )


def to_24k(pcm: Samples, rate_hz: int, warp: float = 1.0) -> Samples:
    """Resample to 24 kHz, and change the speaker on the way.

    Args:
        pcm: f32[N] at `rate_hz`.
        rate_hz: of the input.
        warp: above 1 is faster with pitch and formants higher, all by this factor.

    Returns:
        f32[about N * 24000 / (rate_hz * warp)].
    """
    if rate_hz == SAMPLE_RATE_HZ and warp == 1.0:
        return pcm
    import soxr

    resampled: Samples = soxr.resample(pcm, rate_hz * warp, SAMPLE_RATE_HZ)
    return resampled.astype(np.float32, copy=False)


def spoken(
    pcm: Samples,
    text: str,
    starts_ms: Mapping[int, float],
    phones_ms: Sequence[tuple[str, float]] = (),
) -> Utterance:
    """Make an utterance of a synthesiser's output: trimmed, each word with start and end.

    Args:
        pcm: f32[N] at 24 kHz, with whatever silence the synthesiser puts around it.
        text: words separated by spaces.
        starts_ms: word index -> start in `pcm`. A word that is missing shares the time of its
            predecessor by number of letters.
        phones_ms: names of `phones.PHONES` and their starts in `pcm`, in order.

    Returns:
        The utterance. A word ends with its last sound before the next word starts.

    Raises:
        ValueError: nothing is to be heard.
    """
    pcm = np.pad(pcm, (0, -len(pcm) % SAMPLES_PER_MS))
    level = np.abs(pcm).reshape(-1, SAMPLES_PER_MS).max(axis=1) if len(pcm) else np.zeros(1)
    loud_ms = np.flatnonzero(level > max(_QUIET * float(level.max()), 1e-4))
    if len(loud_ms) == 0:
        raise ValueError(f"text: nothing is to be heard of {text!r}")
    end_ms = int(loud_ms[-1]) + 1
    first_ms = min(max(int(loud_ms[0]), int(starts_ms.get(0, 0)) - _LEAD_MS), end_ms - 1)
    tokens = text.split()
    starts = _fill(tokens, starts_ms, end_ms)
    bounds = [min(max(round(bound), first_ms), end_ms) for bound in (*starts, end_ms)]
    words = []
    for token, (start, stop) in zip(tokens, itertools.pairwise(bounds), strict=True):
        inside = loud_ms[(loud_ms >= start) & (loud_ms < stop)]
        last = int(inside[-1]) + 1 if len(inside) else stop
        words.append(Word(token, start - first_ms, last - first_ms))
    speech = pcm[first_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS]
    phones = tuple(
        Phone(name, min(max(round(start), first_ms), end_ms) - first_ms)
        for name, start in phones_ms
    )
    return Utterance(np.ascontiguousarray(speech), tuple(words), phones)


def _fill(tokens: Sequence[str], starts_ms: Mapping[int, float], end_ms: int) -> list[float]:
    """Starts of all tokens, in order: those known, and between them shares by letters."""
    known = {0: 0.0} | dict(starts_ms)
    anchors = [*sorted(i for i in known if i < len(tokens)), len(tokens)]
    starts: list[float] = []
    for left, right in itertools.pairwise(anchors):
        begin = max(known[left], starts[-1] if starts else 0.0)
        stop = max(known.get(right, end_ms) if right < len(tokens) else end_ms, begin)
        letters = np.cumsum([0, *(len(token) for token in tokens[left:right])])
        starts += [float(begin + (stop - begin) * n / letters[-1]) for n in letters[:-1]]
    return starts
