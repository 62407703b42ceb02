"""A folder in the layout of a Moshi-family repository: Moshiko, Moshika, PersonaPlex, fine-tunes.

It holds the decoder's weights (one safetensors file or shards), Mimi's, a SentencePiece model and,
in newer repositories, `config.json`; without one it is Moshi 7B.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import torch
from voiceagent_codec.base import Codec
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.mimi import load_mimi_codec
from voiceagent_codec.mimi_config import MimiConfig

from voiceagent.errors import ConfigError
from voiceagent.model.adapter import Adapter, merge_adapter, open_adapter
from voiceagent.model.config import DecoderConfig, SamplingDefaults
from voiceagent.model.config_file import read_json
from voiceagent.model.decoder import Decoder
from voiceagent.model.memory import require_memory
from voiceagent.model.mimi_sizes import mimi_sizes
from voiceagent.model.moshi_config import MoshiConfig
from voiceagent.model.moshi_weights import INDEX_SUFFIX, load_published, open_tensors
from voiceagent.model.roofline import MIMI, CodecCost
from voiceagent.model.size import decoder_size
from voiceagent.model.tokenizer import PieceTokenizer


def has_moshi_weights(path: Path) -> bool:
    """Whether a folder without a config holds a Moshi under its usual name, whole or in shards."""
    name = "model.safetensors"
    return (path / name).exists() or (path / (name + INDEX_SUFFIX)).exists()


@dataclasses.dataclass(frozen=True, slots=True)
class MoshiFolder:
    """See the module's docstring and `ModelFolder`."""

    path: Path
    name: str
    config: MoshiConfig

    @property
    def decoder(self) -> DecoderConfig:
        """Sizes of the decoder."""
        return self.config.decoder

    @property
    def sampling(self) -> SamplingDefaults:
        """Of the repository, or the reference's own."""
        return self.config.sampling

    @property
    def is_promptable(self) -> bool:
        """PersonaPlex: by its name, its archive of voices, or its 16 steps of depth."""
        named = self.config.model_type == "personaplex" or "personaplex" in self.name.lower()
        if named or self.config.predicts_user or (self.path / "voices.tgz").exists():
            return True
        with contextlib.suppress(WeightsError), open_tensors(self.decoder_path) as tensors:
            return f"linears.{self.decoder.agent.codebooks}.weight" in tensors
        return False

    @property
    def dtype(self) -> torch.dtype:
        """What Moshi was published in."""
        return torch.bfloat16

    @property
    def codec_cost(self) -> CodecCost:
        """That of Mimi."""
        return MIMI

    @property
    def decoder_path(self) -> Path:
        """The decoder's weights, or the name that their index goes by."""
        return self.path / self.config.weights

    def load_codec(
        self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Codec[Any]:
        """See `ModelFolder`; Mimi with as many codebooks as each side speaks."""
        path = self.path / self.config.codec
        codec = load_mimi_codec(path, self._codec_sizes(), device=device, dtype=dtype)
        if (codec.spec.agent, codec.spec.user) != (self.decoder.agent, self.decoder.user):
            raise ConfigError(
                f"{path}: its codes are {codec.spec.agent}, the decoder's {self.decoder.agent} "
                f"and {self.decoder.user}"
            )
        return codec

    def load_decoder(
        self,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        *,
        adapter: Path | None = None,
    ) -> Decoder:
        """See `ModelFolder`; the model's own adapter, where its config names one, comes first."""
        dtype = dtype or self.dtype
        adapters = self._own_adapters()
        if adapter is not None:
            adapters.append(open_adapter(adapter))
        with open_tensors(self.decoder_path) as tensors:
            require_memory(
                f"{self.name} in {str(dtype).removeprefix('torch.')}",
                decoder_size(self.decoder).weight_bytes(dtype),
                device,
            )
            decoder = Decoder.allocate(self.decoder, device, dtype)
            load_published(decoder, tensors)
        for item in adapters:
            merge_adapter(decoder, item)
        return decoder

    def tokenizer(self) -> PieceTokenizer:
        """See `ModelFolder`."""
        return PieceTokenizer(self.path / self.config.tokenizer, self.decoder.text_cardinality)

    def _codec_sizes(self) -> MimiConfig:
        codebooks = self.decoder.agent.codebooks
        if self.config.codec_sizes is None:
            return MimiConfig(codebooks=codebooks)
        file = self.path / self.config.codec_sizes
        return mimi_sizes(read_json(file), codebooks, str(file))

    def _own_adapters(self) -> list[Adapter]:
        """What a fine-tuned repository's config names, at most one."""
        config = self.config
        if config.adapter is None:
            return []
        return [Adapter(self.path / config.adapter, config.adapter_rank, config.adapter_scaling)]
