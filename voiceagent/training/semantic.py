"""The stage that teaches the codec to hear: phones of the user, and who is speaking where.

Trained before the decoder; `semantic_tuning` trains it further. From the quantised latent of every
80 ms frame a small head, which is not kept, must tell the phone of each 20 ms of the *near*
speaker, and whether there is nobody, the user, somebody far off or turned away, or the agent's own
echo. So the codes leave out what the decoder should not answer, and say that it was there. Phones
are asked for twice: as soon as they can be known, and again a frame later, when what followed has
been heard too. Two noises over the same clip should give the same latent.

An ear that begins with Whisper's is a tenth as fast to change as the rest, and is pulled to what
Whisper itself makes of the same clip without noise, whole: so it becomes causal and hears through
noise without losing what it knows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from voiceagent_codec.nano import FRAME_SAMPLES, MelEncoder, NanoCodecConfig, SemanticEncoder
from voiceagent_codec.speech_transformer import RING_CHUNKS, SpeechTransformer

from voiceagent.audio.framing import PACKET_SAMPLES
from voiceagent.scenes.phones import PHONES
from voiceagent.training.augment import Augmenter, augment_mel, happens, uniform
from voiceagent.training.codebooks import CodebookTrainer
from voiceagent.training.whisper_start import begin_with_whisper

CLIP_FRAMES = 24
_SUBFRAMES = FRAME_SAMPLES // PACKET_SAMPLES
# a frame is asked for what was said 40 ms before its end and earlier, and then again 120 ms before:
# phones need their right side
_LATENESS, _SECOND_LATENESS = 2, 6
NOBODY, NEAR, FAR, ECHO = range(4)
# shares of the stage's time: latents go unquantised at first, and noise grows
_UNQUANTISED, _NOISE_RAMP = 0.12, 0.35
# of what begins with nothing beside an ear that begins with Whisper's, `loop.Task.gentle`
_WHISPER_RATE = 2e-3
_WHISPER_WEIGHT = 3.0
_LEVELS_DRAWN = (1, 2, 2, 3, 4, 4, 4, 4)
_HELD_OUT_CLIPS = 32


class SemanticTask:
    """See the module's docstring; a `loop.Task`."""

    name = "semantic"
    learning_rate = 5e-4
    betas = (0.9, 0.98)
    weight_decay = 0.02
    gentle: str | None = None

    def __init__(
        self,
        config: NanoCodecConfig,
        speech: dict[str, Tensor],
        agent: Tensor,
        seed: int,
        device: str = "cpu",
        rows: int = 16,
        *,
        is_whisper: bool = False,
    ) -> None:
        """Begin.

        Args:
            config: sizes of the codec.
            speech: ``pcm`` i16 [N] and ``phones`` u8 [N / 480], of `speech`.
            agent: i16 [M], the agent's voice.
            seed: of weights and noises.
            device: of the network and of the sound.
            rows: clips in a batch; half as many come twice.
            is_whisper: a transformer begins with Whisper's weights.
        """
        torch.manual_seed(seed)
        self.config = config
        self.encoder = encoder = SemanticEncoder(config).requires_grad_(True)
        self.whisper: SpeechTransformer | None = None
        if is_whisper and isinstance(encoder.encoder, SpeechTransformer):
            begin_with_whisper(encoder.encoder)
            self.whisper = copy.deepcopy(encoder.encoder).requires_grad_(False).to(device)
            self.learning_rate, self.gentle = _WHISPER_RATE, "encoder.encoder."
        self.codebooks = CodebookTrainer(encoder.quantizer)
        self.module = nn.ModuleDict(
            {
                "encoder": encoder,
                "codebooks": self.codebooks,
                "head": nn.Sequential(
                    nn.Linear(config.code_width, 256),
                    nn.GELU(),
                    nn.Linear(256, _SUBFRAMES * (2 * len(PHONES) + 4)),
                ),
            }
        )
        self.module.to(device)
        self.device = torch.device(device)
        self.mel = encoder.encoder.mel
        self.head = self.module["head"]
        self.rows, self.twins = rows, rows // 2
        speech = {name: track.to(device) for name, track in speech.items()}
        self.augmenter = Augmenter(speech["pcm"], seed, device)
        self.clips = _Clips(speech, agent.to(device))
        self.held_out = self.clips.held_out(_HELD_OUT_CLIPS)
        self.is_quantised = False

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """See `loop.Task`."""
        amount = min(1.0, progress / _NOISE_RAMP)
        self.is_quantised = progress > _UNQUANTISED
        with torch.no_grad():
            clean, spoken = self.clips.draw(self.rows, generator)
            pcm, phones, source = self._heard(clean, spoken, generator, amount)
            mel = augment_mel(self._mel(pcm), generator, self.mel)
        hidden = self._hidden(mel, self.encoder)
        loss, losses = self._losses(self.encoder.project(hidden), phones, source, generator)
        if self.whisper is not None:
            is_same = self._is_same(phones, self._with_twins(spoken), source)
            losses["whisper"] = distance(hidden, self._with_twins(self._whole(clean)), is_same)
            loss = loss + _WHISPER_WEIGHT * losses["whisper"]
        return loss, {name: part.item() for name, part in losses.items()}

    def evaluate(self) -> dict[str, float]:
        """Phone accuracy where there is speech, clean and with white noise at 10 dB."""
        pcm, phones = self.held_out
        generator = torch.Generator(self.device).manual_seed(0)
        loud = pcm.square().mean(1, keepdim=True).sqrt() * 10**-0.5
        noisy = pcm + torch.randn(pcm.shape, generator=generator, device=self.device) * loud
        figures = {}
        for name, sound in (("clean", pcm), ("10dB", noisy)):
            first, second, _, _ = self._read(self._latents(self._mel(sound)), None)
            for read, logits, wanted in (
                (name, first, late(phones)),
                (f"{name}_again", second, late(phones, _SECOND_LATENESS)),
            ):
                right = logits.argmax(-1) == wanted
                figures[f"phones_{read}"] = right[wanted > 0].float().mean().item()
        return figures

    def _heard(
        self, pcm: Tensor, phones: Tensor, g: torch.Generator, amount: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sound and what is in it of clean clips; the last rows are the first in other noise."""
        gain = 10 ** uniform(g, self.rows, -0.6, 0.2)
        source = (phones > 0).long() * NEAR
        pcm, phones, source = self._with_others(pcm, phones, source, g)
        twins = slice(0, self.twins)
        pcm = torch.cat((pcm, pcm[twins])) * torch.cat((gain, gain[twins]))
        phones, source = torch.cat((phones, phones[twins])), torch.cat((source, source[twins]))
        return self._in_air(pcm, g, amount), phones, source

    def _with_others(
        self, pcm: Tensor, phones: Tensor, source: Tensor, g: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Some rows are silent, some only far off, some have somebody else or an echo besides."""
        rows = len(pcm)
        kind = uniform(g, rows, 0, 1)
        others, other_phones = self.clips.draw(rows, g)
        far = self.augmenter.far(others, g) * 10 ** (-uniform(g, rows, 6, 25) / 20)
        echo = self.clips.draw_agent(rows, g) * 10 ** (-uniform(g, rows, 8, 36) / 20)
        is_echo = echo.unfold(1, PACKET_SAMPLES, PACKET_SAMPLES).square().mean(2).sqrt() > 6e-3
        present = torch.where(kind < 0.24, other_phones > 0, is_echo)
        label = torch.where(kind < 0.24, FAR, ECHO)
        silent = kind < 0.08
        alone = (kind < 0.16) | ((kind > 0.24) & (kind < 0.28))
        beside = (kind < 0.4) & ~silent
        pcm = pcm * ~alone + torch.where(kind < 0.24, far, echo) * beside
        phones = phones * ~alone
        source = source * ~alone
        source = torch.where((source == NOBODY) & present & beside, label, source)
        return pcm, phones, source

    def _in_air(self, pcm: Tensor, g: torch.Generator, amount: float) -> Tensor:
        augmenter, rows = self.augmenter, len(pcm)

        def some(share: float) -> Tensor:
            return torch.nonzero(happens(g, rows, share)[:, 0])[:, 0]

        silent = (pcm.abs().amax(1) == 0).nonzero()[:, 0]
        if len(silent):  # where nothing but speech ever begins, a note that is struck is a word
            pcm = pcm.index_copy(0, silent, augmenter.sounds(len(silent), pcm.shape[1], g))
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

    def _mel(self, pcm: Tensor, encoder: SemanticEncoder | None = None) -> Tensor:
        mel = (encoder or self.encoder).encoder.mel
        frames: Tensor = mel(pcm, mel.init_state(len(pcm), self.device), None)
        return frames

    def _latents(self, mel: Tensor, encoder: SemanticEncoder | None = None) -> Tensor:
        encoder = encoder or self.encoder
        latents: Tensor = encoder.project(self._hidden(mel, encoder))
        return latents

    def _hidden(self, mel: Tensor, encoder: SemanticEncoder) -> Tensor:
        # nearly all of it is matrix products: in bfloat16 a step takes 0.6 of the time
        with torch.autocast(self.device.type, torch.bfloat16):
            return _from_anywhere(encoder.encoder, mel).float()

    @torch.no_grad()
    def _whole(self, clean: Tensor) -> Tensor:
        """What Whisper makes of clips, with all that follows: [B, T, width]."""
        assert self.whisper is not None, "it begins with Whisper's weights"
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.whisper.read_whole(self._mel(clean)).float()

    def _with_twins(self, rows: Tensor) -> Tensor:
        return torch.cat((rows, rows[: self.twins]))

    def _is_same(self, phones: Tensor, spoken: Tensor, source: Tensor) -> Tensor:
        """Frames with nobody else in them, of rows that the user is not left out of: [B, T]."""
        is_whole = (phones == spoken).all(1, keepdim=True)
        is_same = is_whole & ((source == NOBODY) | (source == NEAR))
        return late(is_same.long()).bool().all(-1)

    def _losses(
        self, latents: Tensor, phones: Tensor, source: Tensor, g: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of latents, and its parts."""
        level = torch.randint(len(_LEVELS_DRAWN), (), generator=g, device=self.device)
        first, second, where, commitment = self._read(latents, _LEVELS_DRAWN[int(level)])
        losses = {
            "phone": F.cross_entropy(first.flatten(0, 2), late(phones).flatten()),
            "phone_again": F.cross_entropy(
                second.flatten(0, 2), late(phones, _SECOND_LATENESS).flatten()
            ),
            "where": F.cross_entropy(where.flatten(0, 2), late(source).flatten()),
            "twin": F.mse_loss(latents[: self.twins], latents[-self.twins :])
            / latents.detach().var(),
        }
        loss = losses["phone"] + 0.7 * losses["phone_again"] + 0.3 * losses["where"]
        return loss + 0.25 * commitment + 0.15 * losses["twin"], losses

    def _read(self, latents: Tensor, levels: int | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of phones [B, T, 4, 40], twice, and of sources [B, T, 4, 4]; the commitment."""
        commitment = latents.new_zeros(())
        if self.is_quantised:
            latents, commitment, _ = self.codebooks(latents, levels)
        logits = self.head(latents).unflatten(-1, (_SUBFRAMES, -1))
        first, second, where = logits.split((len(PHONES), len(PHONES), 4), -1)
        return first, second, where, commitment


def distance(found: Tensor, wanted: Tensor, chosen: Tensor) -> Tensor:
    """Mean square of the difference over chosen frames, in variances of what is wanted."""
    away = (found - wanted).square().mean(-1) * chosen
    return away.sum() / chosen.sum().clamp(min=1) / wanted.var()


def _from_anywhere(ear: MelEncoder | SpeechTransformer, mel: Tensor) -> Tensor:
    """Hear clips, each from any place of a call: [B, T, width]."""
    if isinstance(ear, MelEncoder):
        return ear.read(mel, ear.init_state(len(mel), mel.device), None)
    state = ear.init_state(len(mel), mel.device)
    state.phase.random_(RING_CHUNKS)
    return ear.read(mel, state, None)


class _Clips:
    """Random clips of the shards; the last few seconds are held out."""

    def __init__(self, speech: dict[str, Tensor], agent: Tensor) -> None:
        self.pcm, self.phones, self.agent = speech["pcm"], speech["phones"], agent
        self.packets = CLIP_FRAMES * _SUBFRAMES
        held = min(_HELD_OUT_CLIPS * self.packets, len(self.phones) // 4)
        self.end = len(self.phones) - held

    def draw(self, rows: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        return self._at(
            torch.randint(self.end - self.packets, (rows,), generator=g, device=g.device)
        )

    def draw_agent(self, rows: int, g: torch.Generator) -> Tensor:
        samples = self.packets * PACKET_SAMPLES
        starts = torch.randint(len(self.agent) - samples, (rows,), generator=g, device=g.device)
        return _pieces(self.agent, starts, samples).float() / 32768

    def held_out(self, rows: int) -> tuple[Tensor, Tensor]:
        rows = min(rows, (len(self.phones) - self.end) // self.packets)
        return self._at(self.end + torch.arange(rows, device=self.pcm.device) * self.packets)

    def _at(self, starts: Tensor) -> tuple[Tensor, Tensor]:
        pcm = _pieces(self.pcm, starts * PACKET_SAMPLES, self.packets * PACKET_SAMPLES)
        return pcm.float() / 32768, _pieces(self.phones, starts, self.packets).long()


def _pieces(track: Tensor, starts: Tensor, length: int) -> Tensor:
    """[N] -> [B, length], from each start on."""
    return track[starts[:, None] + torch.arange(length, device=track.device)]


def late(track: Tensor, lateness: int = _LATENESS) -> Tensor:
    """[B, packets] -> [B, T, 4], each asked for so many packets late."""
    return F.pad(track, (lateness, 0))[:, : track.shape[1]].reshape(len(track), -1, _SUBFRAMES)
