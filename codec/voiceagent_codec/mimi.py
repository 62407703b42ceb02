"""Mimi, the codec of Moshi and its relatives: 80 ms of sound <-> one row of codes, causally.

Sound -> SEANet -> transformer at 25 Hz -> learnt halving -> split residual quantiser, and back. One
code space for user and agent: what it hears it can say. Plain and exact, a copy of the published
model's arithmetic in the steps of streaming moshi; `transformer` says which window that is. Not
here: faster paths, and other layouts of the weights than the published one (`mimi_weights`).

Source: Defossez et al. 2024 (Moshi), arXiv 2410.00037, section 3.3; kyutai-labs/moshi 0.2.13.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor, nn

from voiceagent_codec.base import Codec
from voiceagent_codec.conv import OverlapState, StackState
from voiceagent_codec.errors import CodecError
from voiceagent_codec.mimi_config import MimiConfig
from voiceagent_codec.mimi_weights import load_published
from voiceagent_codec.quantizer import SplitQuantizer
from voiceagent_codec.resample import Downsample, DownsampleState, Upsample
from voiceagent_codec.seanet import seanet_decoder, seanet_encoder
from voiceagent_codec.streaming import SlotState, mask_or_none
from voiceagent_codec.transformer import Transformer, TransformerState

# two seconds: the convolutions have long forgotten the start, and attention sees silence alone
SETTLING_FRAMES = 25


@dataclasses.dataclass
class HearState(SlotState):
    """State of the encoder."""

    stack: StackState
    transformer: TransformerState
    downsample: DownsampleState


@dataclasses.dataclass
class SpeakState(SlotState):
    """State of the decoder."""

    upsample: OverlapState
    transformer: TransformerState
    stack: StackState


@dataclasses.dataclass
class MimiState(SlotState):
    """Per-slot state of a `MimiCodec`: hearing and speaking advance independently."""

    hear: HearState
    speak: SpeakState


class MimiCodec(nn.Module, Codec[MimiState]):
    """See the module's docstring; the interface is `voiceagent_codec.base.Codec`.

    Weights and state are in one floating dtype, codebooks and their search always in float32: a
    centroid rounded to half precision is another centroid.
    """

    user_silence: Tensor

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = config.spec
        self.encoder = seanet_encoder(config)
        self.encoder_transformer = Transformer(config)
        self.downsample = Downsample(config.width)
        self.quantizer = SplitQuantizer(
            config.codebooks, config.cardinality, config.code_width, config.width, bias=False
        )
        self.upsample = Upsample(config.width)
        self.decoder_transformer = Transformer(config)
        self.decoder = seanet_decoder(config)
        silence = torch.zeros(config.codebooks, dtype=torch.int64)
        self.register_buffer("user_silence", silence, persistent=False)
        self.requires_grad_(False)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights, and so of every state."""
        return self.upsample.weight.dtype

    def init_state(
        self, num_slots: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> MimiState:
        """See `Codec.init_state`; `dtype` must be that of the weights."""
        if dtype != self.dtype:
            raise CodecError(f"this Mimi computes in {self.dtype}, not {dtype}")
        if num_slots < 1:
            raise CodecError(f"a state needs at least one slot, not {num_slots}")
        hear = HearState(
            self.encoder.init_state(num_slots, device),
            self.encoder_transformer.init_state(num_slots, device),
            self.downsample.init_state(num_slots, device),
        )
        speak = SpeakState(
            self.upsample.init_state(num_slots, device),
            self.decoder_transformer.init_state(num_slots, device),
            self.decoder.init_state(num_slots, device),
        )
        return MimiState(hear, speak)

    @torch.inference_mode()
    def encode_step(self, pcm: Tensor, state: MimiState, active: Tensor) -> Tensor:
        """See `Codec.encode_step`."""
        self.check_frame(pcm, state, active)
        mask, hear = mask_or_none(active), state.hear
        rows = self.encoder(pcm[:, 0, :, None].to(self.dtype), hear.stack, mask)
        rows = self.encoder_transformer(rows, hear.transformer, mask)
        latents = self.downsample(rows, hear.downsample, mask)
        return self.quantizer.encode(latents)[:, 0]

    @torch.inference_mode()
    def decode_step(self, codes: Tensor, state: MimiState, active: Tensor) -> Tensor:
        """See `Codec.decode_step`."""
        self.check_codes(codes, state, active)
        mask, speak = mask_or_none(active), state.speak
        # an inactive row may hold anything: it must not index outside the codebook
        safe = codes.clamp(0, self.spec.agent.cardinality - 1)
        rows = self.upsample(self.quantizer.decode(safe[:, None]), speak.upsample, mask)
        rows = self.decoder_transformer(rows, speak.transformer, mask)
        samples: Tensor = self.decoder(rows, speak.stack, mask)
        return samples.float().transpose(1, 2)

    def measure_silence(self) -> None:
        """Set `user_silence` to the codes of a settled silence. Call after loading weights."""
        device = self.user_silence.device
        state = self.init_state(1, device, self.dtype)
        silence = torch.zeros(1, 1, self.config.frame_samples, device=device)
        active = torch.ones(1, dtype=torch.bool, device=device)
        for _ in range(SETTLING_FRAMES):
            codes = self.encode_step(silence, state, active)
        self.user_silence.copy_(codes[0])


def load_mimi_codec(
    path: Path,
    config: MimiConfig | None = None,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> MimiCodec:
    """Read a Mimi from a file in the published layout, tensor by tensor straight to its device.

    Args:
        path: a safetensors file of 32-bit or half-precision floats.
        config: its sizes and how many of its codebooks to use; the published ones and 8 if None.
        device: where the weights and `user_silence` shall lie.
        dtype: of the weights and of every state; codebooks are float32 whatever it is.

    Raises:
        WeightsError: the file cannot be read or does not fit the sizes.
    """
    with torch.device("meta"):
        codec = MimiCodec(config or MimiConfig())
    for parameter in codec.parameters():
        parameter.data = parameter.data.to(dtype)
    codec.to_empty(device=device).eval()
    load_published(codec, Path(path))
    codec.measure_silence()
    return codec
