"""Everything the agent can say, spoken several times and already in codes.

Calls are put together from these renderings, so that no sentence of the agent's is synthesised or
encoded twice. There are several of each: with one alone, how a sentence sounds would give away what
comes next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from voiceagent_codec.nano import FRAME_SAMPLES, SETTLING_FRAMES, NanoCodec

from voiceagent.scenes.domain import AGENT_BACKCHANNEL, agent_sentences
from voiceagent.scenes.speakers import AGENT_VOICE, speaker
from voiceagent.scenes.utterance import Utterance, Word
from voiceagent.serving.facts import TIME, every_answer
from voiceagent.training.speech import to_int16
from voiceagent.training.workspace import Arrays

SENTENCES_PER_SHARD = 24
# of a sum fewer: its words are in many others
_TAKES, _SUM_TAKES = 8, 4
_SETTLING = SETTLING_FRAMES // 2


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """One rendering of a sentence: its sound, and its codes u8 [frames, 8] from its first one."""

    utterance: Utterance
    codes: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class BankSpeaker:
    """The agent's voice out of the bank; what is not in it is spoken when it is first asked for.

    See `scenes.Speaker`.
    """

    codec: NanoCodec
    renderings: dict[str, list[Rendering]]
    id: str = AGENT_VOICE
    kind: str = "hibari"

    def say(self, text: str, take: int = 0) -> Utterance:
        """See `scenes.Speaker.say`."""
        return self.rendering(text, take).utterance

    def rendering(self, text: str, take: int) -> Rendering:
        """Return one rendering of a text, by take modulo their number."""
        if text not in self.renderings:
            utterance = speaker(AGENT_VOICE).say(text, take)
            (codes,) = encode(self.codec, [utterance])
            self.renderings[text] = [Rendering(utterance, codes)]
        choices = self.renderings[text]
        return choices[take % len(choices)]


def bank_texts() -> tuple[str, ...]:
    """Return all that is to be said, as often as it is to be rendered: one of each first.

    Times of day are not among them: there are too many, and each is rarely said.
    """
    times = set(every_answer(TIME))
    sentences = [text for text in (*agent_sentences(), AGENT_BACKCHANNEL) if text not in times]
    is_sum = {text: " plus " in text or " minus " in text for text in sentences}
    return tuple(
        text
        for take in range(_TAKES)
        for text in sentences
        if take < _SUM_TAKES or not is_sum[text]
    )


def num_shards() -> int:
    """How many shards hold the whole bank."""
    return -(-len(bank_texts()) // SENTENCES_PER_SHARD)


def bank_shard(codec: NanoCodec, number: int) -> Arrays:
    """Speak and encode one shard of `bank_texts`.

    Args:
        codec: with its agent encoder, trained.
        number: of the shard.
    """
    first = number * SENTENCES_PER_SHARD
    texts = bank_texts()[first : first + SENTENCES_PER_SHARD]
    spoken = [speaker(AGENT_VOICE).say(text, first + i) for i, text in enumerate(texts)]
    codes = encode(codec, spoken)
    words = [word for utterance in spoken for word in utterance.words]
    return {
        "text": np.array(texts),
        "pcm": np.concatenate([to_int16(utterance.pcm) for utterance in spoken]),
        "samples": np.array([len(utterance.pcm) for utterance in spoken]),
        "codes": np.concatenate(codes),
        "frames": np.array([len(rows) for rows in codes]),
        "starts_ms": np.array([word.start_ms for word in words]),
        "ends_ms": np.array([word.end_ms for word in words]),
    }


def encode(codec: NanoCodec, spoken: list[Utterance]) -> list[NDArray[np.uint8]]:
    """Agent codes of utterances, a frame of silence after each: u8 [frames, 8]."""
    frames = [-(-len(utterance.pcm) // FRAME_SAMPLES) + 1 for utterance in spoken]
    pcm = torch.zeros(len(spoken), (_SETTLING + max(frames)) * FRAME_SAMPLES)
    for row, utterance in zip(pcm, spoken, strict=True):
        row[_SETTLING * FRAME_SAMPLES :][: len(utterance.pcm)] = torch.from_numpy(utterance.pcm)
    codes = codec.encode_agent(pcm).to(torch.uint8).numpy()
    return [rows[_SETTLING : _SETTLING + count] for rows, count in zip(codes, frames, strict=True)]


def load_bank(codec: NanoCodec, shards: Iterable[Arrays]) -> BankSpeaker:
    """Read what `bank_shard` made with a codec."""
    renderings: dict[str, list[Rendering]] = defaultdict(list)
    for shard in shards:
        pcm = np.split(shard["pcm"], np.cumsum(shard["samples"])[:-1])
        codes = np.split(shard["codes"], np.cumsum(shard["frames"])[:-1])
        times = iter(zip(shard["starts_ms"].tolist(), shard["ends_ms"].tolist(), strict=True))
        for text, samples, rows in zip(shard["text"].tolist(), pcm, codes, strict=True):
            words = tuple(Word(word, *next(times)) for word in text.split())
            sound = (samples / 32768.0).astype(np.float32)
            renderings[text].append(Rendering(Utterance(sound, words), rows))
    return BankSpeaker(codec, dict(renderings))
