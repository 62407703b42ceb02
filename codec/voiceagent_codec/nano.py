"""The embedded codec: hears four codes of meaning, speaks one voice from eight codes.

User sound -> log-mel -> causal transformer (in older models causal convolutions) -> residual
quantiser, trained on phones alone, so its codes cannot become sound again. Agent codes -> causal
convolutions -> `SourceFilter`. A second encoder makes agent codes of the agent's voice; only
training and `voiceagent codec encode` need it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceagent_codec.base import Codec, CodecSpec, CodeSpace
from voiceagent_codec.conv import CausalConv, ConvStack, Down, Residual, StackState, Up
from voiceagent_codec.errors import CodecError
from voiceagent_codec.fields import check_fields
from voiceagent_codec.int8 import use_int8
from voiceagent_codec.mel import LogMel, MelState
from voiceagent_codec.quantizer import ResidualQuantizer, SplitQuantizer
from voiceagent_codec.source_filter import PARAMETERS, SourceFilter, SourceState
from voiceagent_codec.speech_transformer import SpeechTransformer, SpeechTransformerState
from voiceagent_codec.streaming import SlotState, mask_or_none
from voiceagent_codec.weights import load_into, read_checkpoint

#: What a checkpoint of this codec says it holds.
KIND = "nano-codec"
#: The part of it that hears the user, as its tensors are named.
EAR = "semantic.encoder"
FRAME_SAMPLES = 1920
# log-mel runs at 100 Hz: three halvings make one row per 80 ms frame
SETTLING_FRAMES = 30


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NanoCodecConfig:
    """Sizes of a nano codec. Widths are channels from the frame rate's side of the network.

    Attributes:
        hearing_layers: of the transformer that hears the user; 0 is convolutions of
            `encoder_widths`, as models before it have.
        hearing_width: its width, a multiple of its heads.
        hearing_heads: of its attention.
    """

    user_codebooks: int = 4
    user_cardinality: int = 256
    agent_codebooks: int = 8
    agent_cardinality: int = 256
    code_width: int = 48
    mel_bands: int = 80
    encoder_widths: tuple[int, int, int, int] = (128, 192, 256, 256)
    decoder_widths: tuple[int, int, int, int] = (256, 224, 192, 160)
    hearing_layers: int = 0
    hearing_width: int = 384
    hearing_heads: int = 6

    def __post_init__(self) -> None:
        check_fields(self)
        for field in ("encoder_widths", "decoder_widths"):
            if min(getattr(self, field)) < 1:
                raise ValueError(f"{field} must be positive, not {getattr(self, field)}")
        if self.hearing_layers < 0:
            raise ValueError(f"hearing_layers must not be negative, not {self.hearing_layers}")
        for field in ("code_width", "mel_bands", "hearing_width", "hearing_heads"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be at least 1, not {getattr(self, field)}")
        if self.hearing_width % self.hearing_heads or self.hearing_width % 2:
            raise ValueError(
                f"hearing_width must be even and a multiple of hearing_heads "
                f"({self.hearing_heads}), not {self.hearing_width}"
            )
        if self.agent_codebooks < 2:
            raise ValueError(f"agent_codebooks must be at least 2, not {self.agent_codebooks}")

    @property
    def spec(self) -> CodecSpec:
        """What a caller sees of these sizes."""
        return CodecSpec(
            sample_rate_hz=24_000,
            frame_samples=FRAME_SAMPLES,
            user=CodeSpace(self.user_codebooks, self.user_cardinality),
            agent=CodeSpace(self.agent_codebooks, self.agent_cardinality),
            is_invertible=False,
        )


@dataclasses.dataclass
class MelEncoderState(SlotState):
    """State of a `MelEncoder`."""

    mel: MelState
    stack: StackState


HearState = MelEncoderState | SpeechTransformerState


@dataclasses.dataclass
class SpeakState(SlotState):
    """State of the agent's voice."""

    stack: StackState
    source: SourceState


@dataclasses.dataclass
class NanoState(SlotState):
    """Per-slot state of a `NanoCodec`: hearing and speaking advance independently."""

    hear: HearState
    speak: SpeakState


class MelEncoder(nn.Module):
    """Sound -> one latent per 80 ms frame."""

    def __init__(self, bands: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.mel = LogMel(bands)
        layers: list[CausalConv | Residual | Down | Up] = [
            CausalConv(bands, widths[0], 3),
            Residual(widths[0]),
            Residual(widths[0], dilation=2),
        ]
        for narrow, wide in itertools.pairwise(widths):
            layers += [Down(narrow, wide), Residual(wide), Residual(wide, dilation=2)]
        self.stack = ConvStack(layers)
        self.width = widths[-1]

    def init_state(self, num_slots: int, device: torch.device | str) -> MelEncoderState:
        """State of fresh slots."""
        return MelEncoderState(
            self.mel.init_state(num_slots, device), self.stack.init_state(num_slots, device)
        )

    def forward(self, pcm: Tensor, state: MelEncoderState, active: Tensor | None) -> Tensor:
        """f32 [B, T * FRAME_SAMPLES] -> [B, T, width]."""
        return self.read(self.mel(pcm, state.mel, active), state, active)

    def read(self, mel: Tensor, state: MelEncoderState, active: Tensor | None) -> Tensor:
        """Log-mel [B, 8 * T, bands] -> [B, T, width]."""
        latents: Tensor = self.stack(mel, state.stack, active)
        return latents


class SemanticEncoder(nn.Module):
    """What the user said, as codes of meaning."""

    def __init__(self, config: NanoCodecConfig) -> None:
        super().__init__()
        self.encoder: MelEncoder | SpeechTransformer
        if config.hearing_layers:
            self.encoder = SpeechTransformer(
                config.mel_bands, config.hearing_width, config.hearing_layers, config.hearing_heads
            )
        else:
            self.encoder = MelEncoder(config.mel_bands, config.encoder_widths)
        self.project = nn.Linear(self.encoder.width, config.code_width)
        self.quantizer = ResidualQuantizer(
            config.user_codebooks, config.user_cardinality, config.code_width
        )

    def forward(self, pcm: Tensor, state: HearState, active: Tensor | None) -> Tensor:
        """f32 [B, T * FRAME_SAMPLES] -> i64 [B, T, user_codebooks]."""
        return self.quantizer.encode(self.project(self.encoder(pcm, state, active)))


class Voice(nn.Module):
    """Agent codes -> samples."""

    def __init__(self, config: NanoCodecConfig) -> None:
        super().__init__()
        widths = config.decoder_widths
        latent = config.encoder_widths[-1]
        self.quantizer = SplitQuantizer(
            config.agent_codebooks, config.agent_cardinality, config.code_width, latent
        )
        layers: list[CausalConv | Residual | Down | Up] = [
            CausalConv(latent, widths[0], 3),
            Residual(widths[0]),
            Residual(widths[0], dilation=2),
        ]
        for wide, narrow in itertools.pairwise(widths):
            layers += [Up(wide, narrow), Residual(narrow), Residual(narrow, dilation=2)]
        self.stack = ConvStack(layers)
        self.head = nn.Linear(widths[-1], PARAMETERS)
        self.source = SourceFilter(FRAME_SAMPLES)

    def init_state(self, num_slots: int, device: torch.device | str) -> SpeakState:
        """State of fresh slots."""
        return SpeakState(
            self.stack.init_state(num_slots, device), self.source.init_state(num_slots, device)
        )

    def forward(self, codes: Tensor, state: SpeakState, active: Tensor | None) -> Tensor:
        """i64 [B, T, agent_codebooks] -> f32 [B, T * FRAME_SAMPLES]."""
        hidden = self.stack(self.quantizer.decode(codes), state.stack, active)
        samples: Tensor = self.source(self.head(F.elu(hidden)), state.source, active)
        return samples


class NanoCodec(nn.Module, Codec[NanoState]):
    """See the module's docstring; the interface is `voiceagent_codec.base.Codec`."""

    user_silence: Tensor

    def __init__(self, config: NanoCodecConfig, *, with_agent_encoder: bool = False) -> None:
        super().__init__()
        self.config = config
        self.spec = config.spec
        self.semantic = SemanticEncoder(config)
        self.voice = Voice(config)
        self.agent_encoder = (
            MelEncoder(config.mel_bands, config.encoder_widths) if with_agent_encoder else None
        )
        silence = torch.zeros(config.user_codebooks, dtype=torch.int64)
        self.register_buffer("user_silence", silence, persistent=False)
        self.requires_grad_(False)

    def init_state(
        self, num_slots: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> NanoState:
        """See `Codec.init_state`; the nano codec computes in float32 only."""
        if dtype != torch.float32:
            raise CodecError(f"the nano codec computes in float32, not {dtype}")
        if num_slots < 1:
            raise CodecError(f"a state needs at least one slot, not {num_slots}")
        return NanoState(
            self.semantic.encoder.init_state(num_slots, device),
            self.voice.init_state(num_slots, device),
        )

    @torch.inference_mode()
    def encode_step(self, pcm: Tensor, state: NanoState, active: Tensor) -> Tensor:
        """See `Codec.encode_step`."""
        self.check_frame(pcm, state, active)
        codes: Tensor = self.semantic(pcm[:, 0], state.hear, mask_or_none(active))
        return codes[:, 0]

    @torch.inference_mode()
    def decode_step(self, codes: Tensor, state: NanoState, active: Tensor) -> Tensor:
        """See `Codec.decode_step`."""
        self.check_codes(codes, state, active)
        # an inactive row may hold anything: it must not index outside the codebook
        safe = codes.clamp(0, self.spec.agent.cardinality - 1)
        samples: Tensor = self.voice(safe[:, None], state.speak, mask_or_none(active))
        return samples[:, None]

    def encode_user(self, pcm: Tensor) -> Tensor:
        """Hear whole recordings at once: f32 [B, N] -> i64 [B, T, user_codebooks]."""
        return self.user_stream(len(pcm))(pcm)

    def encode_agent(self, pcm: Tensor) -> Tensor:
        """Codes of the agent's own voice: f32 [B, N] -> i64 [B, T, agent_codebooks].

        Raises:
            CodecError: the codec was made without its agent encoder.
        """
        return self.agent_stream(len(pcm))(pcm)

    def user_stream(self, num_slots: int = 1) -> Callable[[Tensor], Tensor]:
        """`encode_user` for recordings in pieces; all but the last must be whole frames."""
        state = self.init_state(num_slots, self.user_silence.device).hear

        @torch.inference_mode()
        def encode(pcm: Tensor) -> Tensor:
            return self.semantic(self._whole(pcm), state, None)

        return encode

    def agent_stream(self, num_slots: int = 1) -> Callable[[Tensor], Tensor]:
        """`encode_agent` for recordings in pieces; all but the last must be whole frames.

        Raises:
            CodecError: the codec was made without its agent encoder.
        """
        encoder = self.agent_encoder
        if encoder is None:
            raise CodecError("this codec was loaded without its agent encoder")
        state = encoder.init_state(num_slots, self.user_silence.device)

        @torch.inference_mode()
        def encode(pcm: Tensor) -> Tensor:
            return self.voice.quantizer.encode(encoder(self._whole(pcm), state, None))

        return encode

    @torch.inference_mode()
    def decode_agent(self, codes: Tensor) -> Tensor:
        """Speak whole utterances at once: i64 [B, T, agent_codebooks] -> f32 [B, N]."""
        state = self.init_state(len(codes), codes.device).speak
        samples: Tensor = self.voice(codes, state, None)
        return samples

    def use_int8(self) -> None:
        """See `Codec.use_int8`: the ear, where most of the weights are."""
        if isinstance(self.semantic.encoder, SpeechTransformer):
            use_int8(self.semantic)

    def measure_silence(self) -> None:
        """Set `user_silence` to the codes of a settled silence. Call after loading weights."""
        device = self.user_silence.device
        silence = torch.zeros(1, SETTLING_FRAMES * FRAME_SAMPLES, device=device)
        self.user_silence.copy_(self.encode_user(silence)[0, -1])

    def _whole(self, pcm: Tensor) -> Tensor:
        """Pad recordings with silence to whole frames."""
        return F.pad(pcm, (0, -pcm.shape[-1] % FRAME_SAMPLES))


def load_nano_codec(
    path: Path, sizes: Mapping[str, object], *, with_agent_encoder: bool = False
) -> NanoCodec:
    """Read a nano codec.

    Args:
        path: its safetensors file, of kind `KIND`.
        sizes: fields of `NanoCodecConfig`, as a config file has them.
        with_agent_encoder: keep the part that only training and `codec encode` need.

    Raises:
        WeightsError: the file cannot be read or does not fit the sizes.
        ValueError: the sizes are no `NanoCodecConfig`.
    """
    try:
        config = NanoCodecConfig(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()}  # type: ignore[arg-type]
        )
    except TypeError as error:
        raise ValueError(f"codec sizes: {error}") from error
    codec = NanoCodec(config, with_agent_encoder=with_agent_encoder).eval()
    unused = () if with_agent_encoder else ("agent_encoder.",)
    load_into(codec, read_checkpoint(path, KIND), path, unused_prefixes=unused)
    codec.semantic.quantizer.freeze()
    codec.measure_silence()
    return codec
