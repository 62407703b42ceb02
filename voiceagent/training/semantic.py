"""The stage that teaches the codec to hear: phones of the user, and who is speaking where.

Trained first and alone. From the quantised latent of every 80 ms frame a small head, which is not
kept, must tell the phone of each 20 ms of the *near* speaker, and whether there is nobody, the
user, somebody far off or turned away, or the agent's own echo. So the codes leave out what the
decoder should not answer, and say that it was there. Two noises over the same clip should give the
same latent.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from voiceagent_codec.mel import LogMel
from voiceagent_codec.nano import FRAME_SAMPLES, NanoCodecConfig, SemanticEncoder

from voiceagent.audio.framing import PACKET_SAMPLES
from voiceagent.scenes.phones import PHONES
from voiceagent.training.augment import Augmenter, augment_mel
from voiceagent.training.codebooks import CodebookTrainer

CLIP_FRAMES = 24
_SUBFRAMES = FRAME_SAMPLES // PACKET_SAMPLES
# a frame is asked for what was said 40 ms before its end and earlier: phones need their right side
_LATENESS = 2
NOBODY, NEAR, FAR, ECHO = range(4)
_ROWS, _TWINS = 16, 8
# shares of the stage's time: latents go unquantised at first, and noise grows
_UNQUANTISED, _NOISE_RAMP = 0.12, 0.35
_LEVELS_DRAWN = (1, 2, 2, 3, 4, 4, 4, 4)
_HELD_OUT_CLIPS = 32


class SemanticTask:
    """See the module's docstring; a `loop.Task`."""

    name = "semantic"
    learning_rate = 2e-3
    betas = (0.9, 0.98)
    weight_decay = 0.02

    def __init__(
        self,
        config: NanoCodecConfig,
        speech: dict[str, Tensor],
        agent: Tensor,
        seed: int,
        device: str = "cpu",
    ) -> None:
        """Begin.

        Args:
            config: sizes of the codec.
            speech: ``pcm`` i16 [N] and ``phones`` u8 [N / 480], of `speech`.
            agent: i16 [M], the agent's voice.
            seed: of weights and noises.
            device: of the network; sound is made on the CPU.
        """
        torch.manual_seed(seed)
        self.config = config
        encoder = SemanticEncoder(config).requires_grad_(True)
        self.module = nn.ModuleDict(
            {
                "encoder": encoder,
                "codebooks": CodebookTrainer(encoder.quantizer),
                "head": nn.Sequential(
                    nn.Linear(config.code_width, 256),
                    nn.GELU(),
                    nn.Linear(256, _SUBFRAMES * (len(PHONES) + 4)),
                ),
            }
        )
        self.module.to(device)
        self.device = torch.device(device)
        self.mel = LogMel(config.mel_bands)
        self.encoder, self.head = encoder, self.module["head"]
        self.codebooks = self.module["codebooks"]
        self.clips = _Clips(speech, agent)
        self.augmenter = Augmenter(speech["pcm"], seed)
        self.held_out = self.clips.held_out(_HELD_OUT_CLIPS)
        self.is_quantised = False

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """See `loop.Task`."""
        amount = min(1.0, progress / _NOISE_RAMP)
        self.is_quantised = progress > _UNQUANTISED
        with torch.no_grad():
            pcm, phones, source = self._batch(generator, amount)
            mel = augment_mel(self._mel(pcm), generator).to(self.device)
            phones, source = phones.to(self.device), source.to(self.device)
        level = int(torch.randint(len(_LEVELS_DRAWN), (), generator=generator))
        latents = self._latents(mel)
        phone_logits, source_logits, commitment = self._read(latents, _LEVELS_DRAWN[level])
        phone = F.cross_entropy(phone_logits.flatten(0, 2), phones.flatten())
        where = F.cross_entropy(source_logits.flatten(0, 2), source.flatten())
        twin = F.mse_loss(latents[:_TWINS], latents[-_TWINS:]) / latents.detach().var()
        loss = phone + 0.3 * where + 0.25 * commitment + 0.15 * twin
        return loss, {"phone": phone.item(), "where": where.item(), "twin": twin.item()}

    def evaluate(self) -> dict[str, float]:
        """Phone accuracy where there is speech, clean and with white noise at 10 dB."""
        pcm, phones = self.held_out
        generator = torch.Generator().manual_seed(0)
        loud = pcm.square().mean(1, keepdim=True).sqrt() * 10**-0.5
        noisy = pcm + torch.randn(pcm.shape, generator=generator) * loud
        figures = {}
        for name, sound in (("clean", pcm), ("10dB", noisy)):
            mel = self._mel(sound).to(self.device)
            logits, _, _ = self._read(self._latents(mel), None)
            right = logits.argmax(-1).cpu() == _late(phones)
            figures[f"phones_{name}"] = right[_late(phones) > 0].float().mean().item()
        return figures

    def _batch(self, g: torch.Generator, amount: float) -> tuple[Tensor, Tensor, Tensor]:
        """Sound and what is in it; the last rows are the first ones in other noise."""
        pcm, phones = self.clips.draw(_ROWS, g)
        gain = 10 ** torch.empty(_ROWS, 1).uniform_(-0.6, 0.2, generator=g)
        source = (phones > 0).long() * NEAR
        pcm, phones, source = self._with_others(pcm, phones, source, g)
        twins = slice(0, _TWINS)
        pcm = torch.cat((pcm, pcm[twins])) * torch.cat((gain, gain[twins]))
        phones, source = torch.cat((phones, phones[twins])), torch.cat((source, source[twins]))
        pcm = self._in_air(pcm, g, amount)
        return pcm, _late(phones), _late(source)

    def _with_others(
        self, pcm: Tensor, phones: Tensor, source: Tensor, g: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Some rows are silent, some only far off, some have somebody else or an echo besides."""
        rows = len(pcm)
        kind = torch.rand(rows, 1, generator=g)
        others, other_phones = self.clips.draw(rows, g)
        far = self.augmenter.far(others, g) * 10 ** (
            -torch.empty(rows, 1).uniform_(6, 25, generator=g) / 20
        )
        echo = self.clips.draw_agent(rows, g) * 10 ** (
            -torch.empty(rows, 1).uniform_(8, 36, generator=g) / 20
        )
        is_echo = echo.unfold(1, PACKET_SAMPLES, PACKET_SAMPLES).square().mean(2).sqrt() > 6e-3
        present = torch.where(kind < 0.2, other_phones > 0, is_echo)
        label = torch.where(kind < 0.2, FAR, ECHO)
        silent = kind < 0.03
        alone = (kind < 0.12) | ((kind > 0.2) & (kind < 0.24)) | silent
        beside = (kind < 0.36) & ~silent
        pcm = pcm * ~alone + torch.where(kind < 0.2, far, echo) * beside
        phones = phones * ~alone
        source = source * ~alone
        source = torch.where((source == NOBODY) & present & beside, label, source)
        return pcm, phones, source

    def _in_air(self, pcm: Tensor, g: torch.Generator, amount: float) -> Tensor:
        augmenter, rows = self.augmenter, len(pcm)

        def some(share: float) -> Tensor:
            return torch.nonzero(torch.rand(rows, generator=g) < share)[:, 0]

        effects: tuple[tuple[float, Callable[[Tensor], Tensor]], ...] = (
            (0.35, lambda x: augmenter.room(x, g, (0.02, 0.16))),
            (1.0, lambda x: augmenter.noise(x, g, amount)),
            (0.35 * amount, lambda x: augmenter.telephone(x, g)),
            (0.1 * amount, lambda x: augmenter.losses(x, g)),
        )
        for share, effect in effects:
            chosen = some(share)
            if len(chosen):
                pcm = pcm.index_copy(0, chosen, effect(pcm[chosen]))
        return pcm

    def _mel(self, pcm: Tensor) -> Tensor:
        frames: Tensor = self.mel(pcm, self.mel.init_state(len(pcm), "cpu"), None)
        return frames

    def _latents(self, mel: Tensor) -> Tensor:
        stack = self.encoder.encoder.stack
        # convolutions are matrix products here: in bfloat16 a step takes 0.6 of the time
        with torch.autocast(self.device.type, torch.bfloat16):
            hidden = stack(mel, stack.init_state(len(mel), mel.device), None)
        latents: Tensor = self.encoder.project(hidden.float())
        return latents

    def _read(self, latents: Tensor, levels: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of phones [B, T, 4, 40] and of sources [B, T, 4, 4], and the commitment."""
        commitment = latents.new_zeros(())
        if self.is_quantised:
            latents, commitment, _ = self.codebooks(latents, levels)
        logits = self.head(latents).unflatten(-1, (_SUBFRAMES, -1))
        return logits[..., : len(PHONES)], logits[..., len(PHONES) :], commitment


class _Clips:
    """Random clips of the shards; the last few seconds are held out."""

    def __init__(self, speech: dict[str, Tensor], agent: Tensor) -> None:
        self.pcm, self.phones, self.agent = speech["pcm"], speech["phones"], agent
        self.packets = CLIP_FRAMES * _SUBFRAMES
        held = min(_HELD_OUT_CLIPS * self.packets, len(self.phones) // 4)
        self.end = len(self.phones) - held

    def draw(self, rows: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        starts = torch.randint(self.end - self.packets, (rows,), generator=g).tolist()
        return self._at(starts)

    def draw_agent(self, rows: int, g: torch.Generator) -> Tensor:
        samples = self.packets * PACKET_SAMPLES
        starts = torch.randint(len(self.agent) - samples, (rows,), generator=g).tolist()
        return torch.stack([self.agent[s : s + samples] for s in starts]).float() / 32768

    def held_out(self, rows: int) -> tuple[Tensor, Tensor]:
        rows = min(rows, (len(self.phones) - self.end) // self.packets)
        return self._at([self.end + i * self.packets for i in range(rows)])

    def _at(self, starts: list[int]) -> tuple[Tensor, Tensor]:
        pcm = [self.pcm[s * PACKET_SAMPLES : (s + self.packets) * PACKET_SAMPLES] for s in starts]
        phones = [self.phones[s : s + self.packets] for s in starts]
        return torch.stack(pcm).float() / 32768, torch.stack(phones).long()


def _late(track: Tensor) -> Tensor:
    """[B, packets] -> [B, T, 4], each asked for 40 ms late."""
    return F.pad(track, (_LATENESS, 0))[:, : track.shape[1]].reshape(len(track), -1, _SUBFRAMES)
