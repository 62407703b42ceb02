"""What the codec hears of whole calls: the draws of `scenes.random_conditions`, many calls at once.

The torch twin of `scenes.channel.hear`, so that a call can be heard in many noises on whatever
device the codec is on: echo of the agent, room, noise or a crowd, level, telephone, floor, losses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from voiceagent_codec.nano import NanoCodec

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.training.augment import Augmenter, happens, uniform

# shares and ranges of `scenes.channel.random_conditions` and of what it calls
_ROOM_SHARE, _WETNESS = 0.35, (0.02, 0.16)
_ECHO_SHARE, _ECHO_DB, _ECHO_DELAY_S = 0.35, (-40.0, -10.0), (0.02, 0.2)
_NOISE_SHARE, _NOISE_DBFS, _BABBLE_SHARE = 0.7, (-56.0, -24.0), 0.2
_TELEPHONE_SHARE, _LOSSES_SHARE = 0.25, 0.1
_GAIN_DB = (-12.0, 4.0)
_FLOOR_SHARE, _FLOOR_RMS = 0.8, (3e-4, 5e-4)
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

    def codes(self, user: Tensor, agent: Tensor, g: torch.Generator) -> Tensor:
        """Hear calls, each in conditions of its own.

        Args:
            user: clean sound of the users, f32 [B, N] at 24 kHz.
            agent: the agent's, f32 [B, N], which may come back as an echo.
            g: where the draws come from, on the codec's device.

        Returns:
            u8 [B, N / 1920, user codebooks], on the CPU.
        """
        parts = []
        for first in range(0, len(user), _ROWS):
            rows = slice(first, first + _ROWS)
            heard = self.heard(user[rows].to(g.device), agent[rows].to(g.device), g)
            parts.append(self.codec.encode_user(heard))
        return torch.cat(parts).to(torch.uint8).cpu()

    def heard(self, user: Tensor, agent: Tensor, g: torch.Generator) -> Tensor:
        """What arrives of the users' sound: f32 [B, N] in [-1, 1]."""
        augmenter, (rows, samples) = self.augmenter, user.shape
        pcm = _some(user, _ROOM_SHARE, g, lambda x: augmenter.room(x, g, _WETNESS))
        pcm = pcm + self._echo(agent, g) * happens(g, rows, _ECHO_SHARE)
        is_babble = happens(g, rows, _BABBLE_SHARE)[:, 0] > 0
        noise = augmenter.any_noise(rows, samples, g, is_babble)
        noise = noise * _amplitude(uniform(g, rows, *_NOISE_DBFS)) * happens(g, rows, _NOISE_SHARE)
        pcm = (pcm + noise) * _amplitude(uniform(g, rows, *_GAIN_DB))
        pcm = _some(pcm, _TELEPHONE_SHARE, g, lambda x: augmenter.telephone(x, g))
        floor = torch.randn(pcm.shape, generator=g, device=g.device)
        floor = floor * uniform(g, rows, *_FLOOR_RMS) * happens(g, rows, _FLOOR_SHARE)
        pcm = _some(pcm + floor, _LOSSES_SHARE, g, lambda x: augmenter.losses(x, g))
        return pcm.clamp(-1.0, 1.0)

    def _echo(self, agent: Tensor, g: torch.Generator) -> Tensor:
        """The agent's sound from across the room, each row as late as it is."""
        rows, samples = agent.shape
        wet = self.augmenter.room(agent, g, _WETNESS)
        delay = (uniform(g, rows, *_ECHO_DELAY_S) * SAMPLE_RATE_HZ).long()
        at = torch.arange(samples, device=g.device) - delay
        late = wet.gather(1, at.clamp(min=0)) * (at >= 0)
        return late * _amplitude(uniform(g, rows, *_ECHO_DB))


def _some(
    pcm: Tensor, share: float, g: torch.Generator, effect: Callable[[Tensor], Tensor]
) -> Tensor:
    """An effect on some of the rows."""
    chosen = torch.nonzero(happens(g, len(pcm), share)[:, 0])[:, 0]
    return pcm.index_copy(0, chosen, effect(pcm[chosen])) if len(chosen) else pcm


def _amplitude(level_db: Tensor) -> Tensor:
    return torch.as_tensor(10.0 ** (level_db / 20.0))
