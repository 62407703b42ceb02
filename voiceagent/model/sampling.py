"""How tokens are chosen, slot by slot.

Settings are arrays over slots, so that one batch serves sessions of different taste, and the noise
of a draw depends on the slot's own seed and step alone.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from voiceagent_codec.streaming import SlotState
from voiceagent_kernels.reference.sample_top_k import exponential_noise, sample_top_k

#: Marks a token that the caller does not force.
UNFORCED = -2

_TEXT_DRAW, _FIRST_CODE_DRAW = 0, 1


@dataclasses.dataclass
class Sampling(SlotState):
    """Per-slot sampling settings; temperature 0 takes the most likely token.

    A fresh slot is greedy. Source of the scheme: `sample_top_k` of the kernels.
    """

    text_temperature: Tensor  # f32 [B]
    text_top_k: Tensor  # i64 [B], 0 keeps every candidate
    code_temperature: Tensor  # f32 [B]
    code_top_k: Tensor  # i64 [B]
    seed: Tensor  # i64 [B]

    @classmethod
    def greedy(cls, num_slots: int, device: torch.device | str = "cpu") -> Sampling:
        """Settings of fresh slots."""

        def zeros(dtype: torch.dtype) -> Tensor:
            return torch.zeros(num_slots, device=device, dtype=dtype)

        return cls(
            zeros(torch.float32),
            zeros(torch.int64),
            zeros(torch.float32),
            zeros(torch.int64),
            zeros(torch.int64),
        )


def only_word(logits: Tensor, word: Tensor, pad_id: int, epad_id: int) -> Tensor:
    """Leave a choice between silence and one word, which is as likely as all words were together.

    So the model says when it speaks, but not what: masking alone would make a word wait that the
    model shares its chances out over, as it does over the minutes of a time it cannot know.

    Args:
        logits: f32 [B, V].
        word: i64 [B], UNFORCED where the model may choose; PAD leaves no word at all.
        pad_id: token of silence, whose logit stays.
        epad_id: token of the step before a word, likewise.

    Returns:
        f32 [B, V], -inf where nothing may be chosen.
    """
    kept, words = torch.full_like(logits, float("-inf")), logits.clone()
    for token in (pad_id, epad_id):
        kept[:, token] = logits[:, token]
        words[:, token] = float("-inf")
    place = word.clamp(min=0)[:, None]
    all_words = words.logsumexp(1, keepdim=True)
    kept.scatter_(1, place, torch.logaddexp(kept.gather(1, place), all_words))
    return torch.where((word == UNFORCED)[:, None], logits, kept)


class Sampler:
    """One step's draws: `Sampling` settings at given positions, or plain argmax without them."""

    def __init__(self, sampling: Sampling | None, positions: Tensor) -> None:
        self._sampling = sampling
        self._positions = positions

    def text(self, logits: Tensor) -> Tensor:
        """The agent's text token: f32 [B, V] -> i64 [B]."""
        if self._sampling is None:
            return logits.argmax(-1)
        sampling = self._sampling
        return self._draw(logits, sampling.text_temperature, sampling.text_top_k, _TEXT_DRAW)

    def user_text(self, logits: Tensor) -> Tensor:
        """The user's text token; a transcript, so always the likeliest."""
        return logits.argmax(-1)

    def code(self, logits: Tensor, codebook: int) -> Tensor:
        """One codebook's code: f32 [B, V] -> i64 [B]."""
        if self._sampling is None:
            return logits.argmax(-1)
        sampling = self._sampling
        draw = _FIRST_CODE_DRAW + codebook
        return self._draw(logits, sampling.code_temperature, sampling.code_top_k, draw)

    def _draw(self, logits: Tensor, temperature: Tensor, top_k: Tensor, draw: int) -> Tensor:
        assert self._sampling is not None, "only reached with settings"
        noise = exponential_noise(self._sampling.seed, self._positions, draw, logits.shape[-1])
        return sample_top_k(logits.float(), temperature, top_k, noise)
