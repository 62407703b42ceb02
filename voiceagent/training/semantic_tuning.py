"""The stage `semantic` of a run that goes on from a model: it hears better and means the same.

The encoder begins with the model's, or where that is of another kind with Whisper's, and the
codebooks stay. Where nobody else is heard, its latents are pulled to those the old encoder has of
the same clip without noise, so that the model's decoder goes on understanding the codes while it,
too, goes on learning. The head is not part of a model: it learns first, alone.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from voiceagent_codec.nano import NanoCodec

from voiceagent.training.augment import augment_mel
from voiceagent.training.semantic import SemanticTask, distance
from voiceagent.training.sizes import with_transformer

# share of the stage's time in which the encoder only follows the old one
_HEAD_FIRST = 0.06
_TEACHER_WEIGHT = 0.5
# of an encoder that goes on learning
_FURTHER_RATE = 3e-4


class SemanticTuningTask(SemanticTask):
    """See the module's docstring; a `loop.Task`."""

    def __init__(
        self,
        start: NanoCodec,
        speech: dict[str, Tensor],
        agent: Tensor,
        seed: int,
        device: str = "cpu",
        rows: int = 16,
    ) -> None:
        """Begin with the codec of a model; the rest as in `SemanticTask`."""
        config = with_transformer(start.config)
        is_same_ear = config == start.config
        super().__init__(config, speech, agent, seed, device, rows, is_whisper=not is_same_ear)
        self.teacher = copy.deepcopy(start.semantic).to(device).requires_grad_(False)
        if is_same_ear:
            self.encoder.load_state_dict(start.semantic.state_dict())
            self.learning_rate = _FURTHER_RATE
        else:
            self.encoder.quantizer.load_state_dict(start.semantic.quantizer.state_dict())
        self.encoder.quantizer.requires_grad_(False)
        self.codebooks.is_fixed = True
        self.is_quantised = True

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """See `loop.Task`."""
        with torch.no_grad():
            clean, spoken = self.clips.draw(self.rows, generator)
            wanted = self._with_twins(self._latents(self._mel(clean, self.teacher), self.teacher))
            pcm, phones, source = self._heard(clean, spoken, generator, 1.0)
            mel = augment_mel(self._mel(pcm), generator, self.mel)
            is_same = self._is_same(phones, self._with_twins(spoken), source)
        latents = self._latents(mel)
        read = latents.detach() if progress < _HEAD_FIRST else latents
        loss, losses = self._losses(read, phones, source, generator)
        losses["teacher"] = distance(latents, wanted, is_same)
        loss = loss + _TEACHER_WEIGHT * losses["teacher"]
        return loss, {name: part.item() for name, part in losses.items()}
