"""What the codec hears of whole calls, each in conditions of its own, many at once.

The torch twin of `scenes.channel.hear`, so that a call can be heard in many noises on whatever
device the codec is on: echo of the agent, room, noise or a crowd, level, floor, telephone, losses.
What happens to a call is said by its `scenes.Conditions`; what they leave open is drawn here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from voiceagent_codec.nano import NanoCodec
from voiceagent_codec.speech_transformer import SpeechTransformer

from voiceagent.scenes.acoustics import WETNESS
from voiceagent.scenes.channel import ECHO_DELAY_MS, FLOOR_RMS, Conditions
from voiceagent.scenes.utterance import SAMPLES_PER_MS
from voiceagent.training.augment import Augmenter, uniform

# calls whose sound is on the device at once
_ROWS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """Hears calls through a codec.

    Attributes:
        codec: on the device where all is computed.
        augmenter: on the same device.
    """

    codec: NanoCodec
    augmenter: Augmenter

    def codes(
        self, user: Tensor, agent: Tensor, conditions: Sequence[Conditions], g: torch.Generator
    ) -> Tensor:
        """Hear calls.

        Args:
            user: clean sound of the users, f32 [B, N] at 24 kHz.
            agent: the agent's, f32 [B, N], which may come back as an echo.
            conditions: of every call.
            g: where all other draws come from, on the codec's device.

        Returns:
            u8 [B, N / 1920, user codebooks], on the CPU.
        """
        parts = []
        for first in range(0, len(user), _ROWS):
            rows = slice(first, first + _ROWS)
            mine, other = (side[rows].to(g.device) for side in (user, agent))
            parts.append(self._codes(self.heard(mine, other, conditions[rows], g)))
        return torch.cat(parts).to(torch.uint8).cpu()

    @torch.inference_mode()
    def _codes(self, pcm: Tensor) -> Tensor:
        """`NanoCodec.encode_user` of whole frames, faster: by products in bfloat16.

        A few codes are other ones, far fewer than in another noise.
        """
        semantic = self.codec.semantic
        ear = semantic.encoder
        if not isinstance(ear, SpeechTransformer):
            return self.codec.encode_user(pcm)
        state = ear.init_state(len(pcm), pcm.device)
        mel = ear.mel(pcm, state.mel, None)
        with torch.autocast(pcm.device.type, torch.bfloat16):
            hidden = ear.read(mel, state, None)
        return semantic.quantizer.encode(semantic.project(hidden.float()))

    def heard(
        self, user: Tensor, agent: Tensor, conditions: Sequence[Conditions], g: torch.Generator
    ) -> Tensor:
        """What arrives of the users' sound: f32 [B, N] in [-1, 1]."""
        augmenter, (rows, samples) = self.augmenter, user.shape

        def column(values: Iterable[float]) -> Tensor:
            return torch.tensor(list(values), device=g.device)[:, None]

        def level(name: str) -> Tensor:
            levels_db = (getattr(each, name) for each in conditions)
            return column(0.0 if db is None else 10 ** (db / 20) for db in levels_db)

        is_babble = torch.tensor([each.is_babble for each in conditions], device=g.device)
        pcm = _some(
            user,
            [each.is_in_room for each in conditions],
            lambda x, _: augmenter.room(x, g, WETNESS),
        )
        pcm = _some(
            pcm,
            [each.echo_db is not None for each in conditions],
            lambda x, at: x + self._echo(agent[at], g) * level("echo_db")[at],
        )
        pcm = _some(
            pcm,
            [each.noise_dbfs is not None for each in conditions],
            lambda x, at: (
                x
                + augmenter.any_noise(len(at), samples, g, is_babble[at]) * level("noise_dbfs")[at]
            ),
        )
        pcm = pcm * level("gain_db")
        floor = torch.randn(pcm.shape, generator=g, device=g.device) * uniform(g, rows, *FLOOR_RMS)
        pcm = pcm + floor * column(float(each.has_floor) for each in conditions)
        pcm = _some(
            pcm,
            [each.is_telephone for each in conditions],
            lambda x, _: augmenter.telephone(x, g),
        )
        lost = column(each.lost_share for each in conditions)
        pcm = augmenter.losses(pcm, g, lost)
        return pcm.clamp(-1.0, 1.0)

    def _echo(self, agent: Tensor, g: torch.Generator) -> Tensor:
        """The agent's sound from across the room, each row as late as it is."""
        rows, samples = agent.shape
        wet = self.augmenter.room(agent, g, WETNESS)
        delay = (uniform(g, rows, *ECHO_DELAY_MS) * SAMPLES_PER_MS).long()
        at = torch.arange(samples, device=g.device) - delay
        return wet.gather(1, at.clamp(min=0)) * (at >= 0)


def _some(pcm: Tensor, is_chosen: list[bool], effect: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """An effect on some of the rows, which it is given with their numbers."""
    chosen = torch.tensor(is_chosen, device=pcm.device).nonzero()[:, 0]
    return pcm.index_copy(0, chosen, effect(pcm[chosen], chosen)) if len(chosen) else pcm
