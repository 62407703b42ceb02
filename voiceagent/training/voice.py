"""The stage that teaches the codec the agent's voice: sound -> 8 codes -> the source filter.

Regression at first: the decoder's tracks must be those of `voice_targets`. No adversary: that is
why minutes suffice. Later rendered sound is compared with the original in the STFT domain as well:
tracks that are led by that come much nearer than the targets themselves (of the same six sentences
PESQ 3.3 against 2.0, 2026-11-23). The first code must tell phones, as the user's codes do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn
from voiceagent_codec.mel import HOP_SAMPLES, WINDOW_SAMPLES
from voiceagent_codec.nano import FRAME_SAMPLES, NanoCodec, NanoCodecConfig
from voiceagent_codec.source_filter import HARMONIC_BANDS, NOISE_BANDS

from voiceagent.audio.framing import PACKET_SAMPLES
from voiceagent.scenes.phones import PHONES
from voiceagent.training.codebooks import CodebookTrainer

_FRAMES = 16
_HOPS_PER_FRAME, _PACKETS_PER_FRAME = 8, FRAME_SAMPLES // PACKET_SAMPLES
# what `SourceFilter.forward` makes of its input
_HARMONIC_OFFSET, _NOISE_OFFSET, _PITCH_SCALE, _PITCH_OFFSET = -5.0, -8.0, 0.3, 5.3
# levels below these are silent: their errors must not count
_HARMONIC_FLOOR, _NOISE_FLOOR = 4e-4, 2e-4
_SILENT_HARMONIC, _SILENT_NOISE = -16.0, -14.0
_LOWEST_HZ = 60.0
_WEIGHTS = {"harmonic": 1.0, "slope": 0.6, "noise": 1.0, "pitch": 4.0, "voicing": 1.0}
_LEVELS_DRAWN = (1, 2, 4, 4, 8, 8, 8, 8, 8, 8)
_SPECTRAL_FROM = 0.3
_WINDOW_HOPS = WINDOW_SAMPLES // HOP_SAMPLES
# of 80 ms: the first ones of a clip lack the past, and are not compared as sound
_UNCERTAIN_FRAMES = 4
# output of the filter runs behind its codes
_DELAY_SAMPLES = 720
_HELD_OUT_ROWS = 24

Batch = dict[str, Tensor]


class VoiceTask:
    """See the module's docstring; a `loop.Task`."""

    name = "voice"
    learning_rate = 1.5e-3
    betas = (0.8, 0.98)
    weight_decay = 0.01
    gentle: str | None = None
    #: Share of the stage's time after which sound is compared, too.
    spectral_from = _SPECTRAL_FROM

    def __init__(
        self,
        config: NanoCodecConfig,
        data: Batch,
        seed: int,
        device: str = "cpu",
        rows: int = 16,
    ) -> None:
        """Begin.

        Args:
            config: sizes of the codec.
            data: fields of `voice_data`, all shards in a row.
            seed: of the weights.
            device: of the network.
            rows: clips in a batch.
        """
        torch.manual_seed(seed)
        codec = NanoCodec(config, with_agent_encoder=True)
        voice, encoder = codec.voice, codec.agent_encoder
        assert encoder is not None, "made with its agent encoder"
        self.voice, self.encoder = voice.requires_grad_(True), encoder.requires_grad_(True)
        self.meaning = CodebookTrainer(voice.quantizer.semantic)
        self.sound = CodebookTrainer(voice.quantizer.acoustic)
        self.head = nn.Sequential(
            nn.Linear(config.code_width, 192),
            nn.GELU(),
            nn.Linear(192, _PACKETS_PER_FRAME * len(PHONES)),
        )
        self.module = nn.ModuleDict(
            {
                "voice": self.voice,
                "encoder": self.encoder,
                "meaning": self.meaning,
                "sound": self.sound,
                "head": self.head,
            }
        )
        self.module.to(device)
        self.device = torch.device(device)
        self.data = {name: track.to(device) for name, track in data.items()}
        self.rows = rows
        self.held_out = min(_HELD_OUT_ROWS * _FRAMES, len(data["phones"]) // 16) * 4
        self.spectrograms = [
            torchaudio.transforms.Spectrogram(n, hop_length=n // 4, power=1.0).to(device)
            for n in (2048, 1024, 512)
        ]

    def loss(self, progress: float, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """See `loop.Task`."""
        end = len(self.data["phones"]) - self.held_out - _FRAMES * _PACKETS_PER_FRAME

        def draw(least: int, most: int, count: int = 1) -> Tensor:
            return torch.randint(least, most, (count,), generator=generator, device=self.device)

        batch = self._batch(draw(0, end // 2, self.rows) * 2)
        if int(draw(0, 100)) < 15:
            _silence_heads(batch, int(draw(1, _FRAMES - 1)))
        level = int(draw(0, len(_LEVELS_DRAWN)))
        loss, parts, tracks = self._losses(batch, _LEVELS_DRAWN[level])
        if progress >= self.spectral_from:
            spectral = self._spectral(tracks, batch["pcm"])
            parts["spectral"] = spectral.item()
            loss = loss + spectral
        return loss, parts

    def evaluate(self) -> dict[str, float]:
        """The losses of held-out sound, with all codes."""
        first = len(self.data["phones"]) - self.held_out
        rows = self.held_out // (_FRAMES * _PACKETS_PER_FRAME)
        starts = first + torch.arange(rows, device=self.device) * _FRAMES * _PACKETS_PER_FRAME
        _, parts, tracks = self._losses(self._batch(starts), None)
        spectral = self._spectral(tracks, self._batch(starts)["pcm"])
        return {f"held_{name}": value for name, value in parts.items()} | {
            "held_spectral": spectral.item()
        }

    def _losses(self, batch: Batch, levels: int | None) -> tuple[Tensor, dict[str, float], Tensor]:
        pcm = batch["pcm"]
        with torch.autocast(self.device.type, torch.bfloat16):
            state = self.encoder.init_state(len(pcm), self.device)
            latents = self.encoder(pcm, state, None).float()
        quantizer = self.voice.quantizer
        meaning, commitment, _ = self.meaning(quantizer.semantic_in(latents))
        out = quantizer.semantic_out(meaning)
        if levels is None or levels > 1:
            rest = None if levels is None else levels - 1
            sound, more, _ = self.sound(quantizer.acoustic_in(latents), rest)
            out, commitment = out + quantizer.acoustic_out(sound), commitment + more
        tracks = self._tracks(out)
        parts = track_losses(tracks, batch)
        phones = self.head(meaning).unflatten(-1, (_PACKETS_PER_FRAME, -1))
        parts["phone"] = F.cross_entropy(phones.flatten(0, 2), batch["phones"].flatten())
        loss = weighted(parts) + 0.05 * commitment + 0.2 * parts["phone"]
        return loss, {name: part.item() for name, part in parts.items()}, tracks

    def _tracks(self, latents: Tensor) -> Tensor:
        """Input of the source filter, [B, T * hops, 106]."""
        with torch.autocast(self.device.type, torch.bfloat16):
            past = self.voice.stack.init_state(len(latents), self.device)
            hidden = self.voice.stack(latents, past, None)
        tracks: Tensor = self.voice.head(F.elu(hidden.float()))
        return tracks

    def _spectral(self, tracks: Tensor, pcm: Tensor) -> Tensor:
        """How far rendered sound is from the original, at three resolutions.

        The mean error of log magnitudes and, so that loud ones count more, spectral convergence:
        Arik et al. 2018, arXiv 1808.06719, equations 2 and 3. It teaches levels alone: of the pitch
        it knows only that a harmonic is not where it should be, and leads it astray.
        """
        bands = HARMONIC_BANDS + NOISE_BANDS
        tracks = torch.cat((tracks[..., :bands], tracks[..., bands:].detach()), -1)
        source = self.voice.source
        rendered = source(tracks, source.init_state(len(tracks), self.device), None)
        first = _UNCERTAIN_FRAMES * FRAME_SAMPLES
        said, meant = rendered[:, first + _DELAY_SAMPLES :], pcm[:, first:-_DELAY_SAMPLES]
        errors = []
        for spectrogram in self.spectrograms:
            a, b = spectrogram(said), spectrogram(meant)
            away = (a - b).square().sum((1, 2)).sqrt() / (b.square().sum((1, 2)).sqrt() + 1)
            errors.append((torch.log(a + 1e-2) - torch.log(b + 1e-2)).abs().mean() + away.mean())
        return torch.stack(errors).mean()

    def _batch(self, starts: Tensor) -> Batch:
        """Clips that begin at these 20 ms packets."""

        def cut(name: str, per_packet: int) -> Tensor:
            length = _FRAMES * _PACKETS_PER_FRAME * per_packet
            at = starts[:, None] * per_packet + torch.arange(length, device=self.device)
            return self.data[name][at].float()

        return {
            "pcm": cut("pcm", PACKET_SAMPLES) / 32768,
            "harmonic": cut("harmonic", 2),
            "noise": cut("noise", 2),
            "pitch_hz": cut("pitch_hz", 2),
            "phones": cut("phones", 1).long().view(len(starts), -1, _PACKETS_PER_FRAME),
        }


def track_losses(tracks: Tensor, batch: Batch) -> dict[str, Tensor]:
    """Errors of the source filter's tracks, each a mean.

    Args:
        tracks: [B, T, 106], input of `SourceFilter`.
        batch: ``harmonic`` and ``noise`` log levels, and ``pitch_hz``.
    """
    bands = HARMONIC_BANDS + NOISE_BANDS
    harmonic = _floored(tracks[..., :HARMONIC_BANDS] + _HARMONIC_OFFSET, _HARMONIC_FLOOR)
    noise = _floored(tracks[..., HARMONIC_BANDS:bands] + _NOISE_OFFSET, _NOISE_FLOOR)
    wanted = _floored(batch["harmonic"], _HARMONIC_FLOOR)
    wanted_noise = _floored(batch["noise"], _NOISE_FLOOR)
    pitch_hz = batch["pitch_hz"]
    voiced = (pitch_hz > 0).float()
    # a row's window holds the pulses of its own hop and of those before it
    heard = F.max_pool1d(F.pad(voiced, (_WINDOW_HOPS - 1, 0)), _WINDOW_HOPS, stride=1)
    both = (heard[:, 1:] * heard[:, :-1])[..., None]
    # the first rows lack what came before them
    weight = torch.ones(tracks.shape[1], device=tracks.device)
    weight[:4] = 0.2
    log_pitch = tracks[..., bands] * _PITCH_SCALE + _PITCH_OFFSET
    wrong_pitch = (log_pitch - torch.log(pitch_hz.clamp(min=_LOWEST_HZ))).abs()
    return {
        "harmonic": ((harmonic - wanted).abs().mean(-1) * heard * weight).sum() / (heard.sum() + 1),
        "slope": ((harmonic.diff(dim=1) - wanted.diff(dim=1)).abs() * both).mean(),
        "noise": ((noise - wanted_noise).abs().mean(-1) * weight).mean(),
        "pitch": (wrong_pitch * voiced).sum() / (voiced.sum() + 1),
        "voicing": F.binary_cross_entropy_with_logits(tracks[..., bands + 1], voiced),
    }


def weighted(parts: dict[str, Tensor]) -> Tensor:
    """The sum of `track_losses`, each with its weight."""
    return torch.stack([parts[name] * weight for name, weight in _WEIGHTS.items()]).sum()


def _floored(levels: Tensor, floor: float) -> Tensor:
    return torch.logaddexp(levels.clamp(min=-16), levels.new_tensor(floor).log())


def _silence_heads(batch: Batch, frames: int) -> None:
    """A quarter of the rows begin with silence, so that silence gets codes of its own."""
    rows = slice(0, len(batch["pcm"]) // 4)
    batch["pcm"][rows, : frames * FRAME_SAMPLES] = 0
    batch["phones"][rows, :frames] = 0
    hops = frames * _HOPS_PER_FRAME
    batch["harmonic"][rows, :hops] = _SILENT_HARMONIC
    batch["noise"][rows, :hops] = _SILENT_NOISE
    batch["pitch_hz"][rows, :hops] = 0
