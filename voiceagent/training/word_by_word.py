"""People who say every word by itself, as one does who wants to be understood, or reads digits out.

Each word has the length and the melody of an end then, which no synthesiser does by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voiceagent.scenes.phones import PAUSE
from voiceagent.scenes.seeds import child_rng
from voiceagent.scenes.speakers import Speaker
from voiceagent.scenes.utterance import SAMPLES_PER_MS, Phone, Utterance, Word

#: Of the sentences, and of the people in calls.
WORD_BY_WORD_SHARE = 0.15
_GAP_MS = (0, 250)


@dataclass(frozen=True, slots=True)
class WordByWord:
    """A `scenes.Speaker` made of another one."""

    speaker: Speaker

    @property
    def id(self) -> str:
        """Of the speaker."""
        return self.speaker.id

    @property
    def kind(self) -> str:
        """Of the speaker."""
        return self.speaker.kind

    def say(self, text: str, take: int = 0) -> Utterance:
        """See `scenes.Speaker.say`."""
        words = [self.speaker.say(word, take) for word in text.split()]
        rng = child_rng(take, "word by word", self.id, text)
        return joined(words, [int(rng.integers(*_GAP_MS)) for _ in words[1:]])


def joined(parts: Sequence[Utterance], gaps_ms: Sequence[int]) -> Utterance:
    """One utterance behind the other, with silence between."""
    pcm, words, phones = [parts[0].pcm], [*parts[0].words], [*parts[0].phones]
    end_ms = parts[0].duration_ms
    for part, gap_ms in zip(parts[1:], gaps_ms, strict=True):
        start_ms = end_ms + gap_ms
        words += [Word(w.text, w.start_ms + start_ms, w.end_ms + start_ms) for w in part.words]
        phones.append(Phone(PAUSE, end_ms))
        phones += [Phone(phone.name, phone.start_ms + start_ms) for phone in part.phones]
        pcm += [np.zeros(gap_ms * SAMPLES_PER_MS, np.float32), part.pcm]
        end_ms = start_ms + part.duration_ms
    return Utterance(np.concatenate(pcm), tuple(words), tuple(phones))
