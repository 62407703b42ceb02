"""The stage `voice` of a run that teaches the voice of a model more: its codes stay.

The agent's encoder and its codebooks are the model's, so that its decoder goes on saying the same
codes; what makes sound of them learns.
"""

from __future__ import annotations

import torch
from torch import Tensor
from voiceagent_codec.nano import NanoCodec

from voiceagent.training.voice import Batch, VoiceTask, track_losses, weighted

# beside the sound: the tracks have been learnt, and are only to be kept from going astray
_TRACKS_WEIGHT = 0.3


class VoiceTuningTask(VoiceTask):
    """See the module's docstring; a `loop.Task`."""

    learning_rate = 5e-4
    spectral_from = 0.0

    def __init__(
        self, start: NanoCodec, data: Batch, seed: int, device: str = "cpu", rows: int = 16
    ) -> None:
        """Begin with the codec of a model, which has its agent's encoder; else as `VoiceTask`."""
        super().__init__(start.config, data, seed, device, rows)
        assert start.agent_encoder is not None, "loaded with its agent encoder"
        self.voice.load_state_dict(start.voice.state_dict())
        self.encoder.load_state_dict(start.agent_encoder.state_dict())
        self.encoder.requires_grad_(False)
        self.voice.quantizer.requires_grad_(False)
        # what is nobody's any more: it would only be kept, and averaged
        for name in ("meaning", "sound", "head"):
            del self.module[name]

    def _losses(self, batch: Batch, levels: int | None) -> tuple[Tensor, dict[str, float], Tensor]:
        """All codes are there when the agent speaks: ``levels`` is for those who make them."""
        pcm = batch["pcm"]
        with torch.no_grad():
            latents = self.encoder(pcm, self.encoder.init_state(len(pcm), self.device), None)
            quantizer = self.voice.quantizer
            spoken = quantizer.decode(quantizer.encode(latents))
        tracks = self._tracks(spoken)
        parts = track_losses(tracks, batch)
        loss = _TRACKS_WEIGHT * weighted(parts)
        return loss, {name: part.item() for name, part in parts.items()}, tracks
