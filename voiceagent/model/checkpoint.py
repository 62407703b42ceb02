"""A model's name -> its folder; and the folders of this project's own format.

Such a folder holds `config.json` (sizes, vocabulary, checksums), `codec.safetensors` and
`decoder.safetensors`; the embedded model is the folder `nano` shipped in this package. Folders in
Moshi's layout are `moshi.py`'s, the hub is `hub.py`'s.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.nano import NanoCodec, load_nano_codec
from voiceagent_codec.weights import load_into, read_checkpoint

from voiceagent.errors import ConfigError
from voiceagent.model.config import DecoderConfig, SamplingDefaults, decoder_config
from voiceagent.model.config_file import read_json
from voiceagent.model.decoder import Decoder
from voiceagent.model.folder import ModelFolder
from voiceagent.model.hub import fetch_repository, is_hub_id
from voiceagent.model.moshi import MoshiFolder, has_moshi_weights
from voiceagent.model.moshi_config import moshi_config
from voiceagent.model.roofline import CodecCost
from voiceagent.model.tokenizer import WordTokenizer

FORMAT_VERSION = 1
NANO_FOLDER = Path(__file__).parent / "nano"


@dataclasses.dataclass(frozen=True, slots=True)
class OwnFolder:
    """A folder in this project's format; see `ModelFolder`."""

    path: Path
    name: str
    codec_sizes: dict[str, Any]
    decoder: DecoderConfig
    vocabulary: tuple[str, ...]
    sha256: dict[str, str]

    @property
    def codec_path(self) -> Path:
        """The codec's weights."""
        return self.path / "codec.safetensors"

    @property
    def decoder_path(self) -> Path:
        """The decoder's weights."""
        return self.path / "decoder.safetensors"

    @property
    def sampling(self) -> SamplingDefaults:
        """Greedy."""
        return SamplingDefaults()

    @property
    def is_promptable(self) -> bool:
        """It has one role and one voice."""
        return False

    @property
    def dtype(self) -> torch.dtype:
        """Small enough not to need less."""
        return torch.float32

    @property
    def codec_cost(self) -> CodecCost:
        """Its weights; the state of a session is small."""
        return CodecCost(self.codec_path.stat().st_size)

    def load_codec(
        self,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        *,
        with_agent_encoder: bool = False,
    ) -> NanoCodec:
        """See `ModelFolder`; the agent's encoder is needed only to make its codes from sound."""
        if dtype != torch.float32:
            raise ConfigError(f"{self.name}: its codec computes in float32 only, not in {dtype}")
        try:
            codec = load_nano_codec(
                self.codec_path, self.codec_sizes, with_agent_encoder=with_agent_encoder
            )
        except ValueError as error:
            raise ConfigError(f"{self.path / 'config.json'}: {error}") from error
        self._check_sum(self.codec_path)
        for side in ("user", "agent"):
            makes, takes = getattr(codec.spec, side), getattr(self.decoder, side)
            if makes != takes:
                raise ConfigError(
                    f"{self.path / 'config.json'}: the codec's {side} codes are {makes}, "
                    f"the decoder's {takes}"
                )
        return codec.to(device)

    def load_decoder(
        self,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        *,
        adapter: Path | None = None,
    ) -> Decoder:
        """See `ModelFolder`; adapters are for Moshi-family folders."""
        if adapter is not None:
            raise ConfigError(f"{adapter}: model '{self.name}' takes no adapters")
        decoder = Decoder(self.decoder).eval()
        load_into(decoder, read_checkpoint(self.decoder_path, "decoder"), self.decoder_path)
        self._check_sum(self.decoder_path)
        return decoder.to(device, dtype or self.dtype)

    def _check_sum(self, path: Path) -> None:
        """Raise WeightsError for weights that fit but are not those the config was made with."""
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if self.sha256.get(path.name) != found:
            raise WeightsError(
                str(path), f"sha256 is {found[:12]}..., not that of config.json; copy it again"
            )

    def tokenizer(self) -> WordTokenizer:
        """The words of the text streams."""
        return WordTokenizer(self.vocabulary)


def open_model(model: str | Path) -> ModelFolder:
    """Find a model and read its config.

    Args:
        model: "nano" for the embedded model, the path of a folder in this project's format or in
            Moshi's, or a hub id ORG/NAME.

    Raises:
        ConfigError: no such folder, or a config that cannot be used; names the field.
    """
    path = NANO_FOLDER if model == "nano" else Path(model)
    name = str(model)
    if not path.exists() and is_hub_id(name):
        path = fetch_repository(name)
    elif path.is_file():
        raise ConfigError(f"{path}: is a file; --model takes 'nano', a folder or a hub id")
    else:
        name = path.resolve().name
    file = path / "config.json"
    if not file.exists() and has_moshi_weights(path):
        return MoshiFolder(path, name, moshi_config(None, str(path)))
    values = read_json(
        file,
        "--model takes 'nano', a hub id, or a folder that holds config.json or model.safetensors",
    )
    if "format_version" in values or "vocabulary" in values:
        return _parse(path, file, values)
    return MoshiFolder(path, name, moshi_config(values, str(file)))


def _parse(path: Path, file: Path, values: dict[str, Any]) -> OwnFolder:
    known = {"format_version", "name", "codec", "decoder", "vocabulary", "sha256"}
    for key in known - values.keys():
        raise ConfigError(f"{file}: '{key}' is missing")
    for key in values.keys() - known:
        raise ConfigError(f"{file}: '{key}' is not known; a folder holds {sorted(known)}")
    if values["format_version"] != FORMAT_VERSION:
        raise ConfigError(
            f"{file}: format_version is {values['format_version']}, "
            f"this program reads {FORMAT_VERSION}"
        )
    kinds = {"name": str, "codec": dict, "decoder": dict, "vocabulary": list, "sha256": dict}
    for key, kind in kinds.items():
        if not isinstance(values[key], kind):
            raise ConfigError(f"{file}: '{key}' must be a {kind.__name__}, not {values[key]!r}")
    decoder = decoder_config(values["decoder"], str(file))
    words = values["vocabulary"]
    if len(words) > decoder.text_cardinality or not all(isinstance(word, str) for word in words):
        raise ConfigError(f"{file}: vocabulary must list at most {decoder.text_cardinality} words")
    return OwnFolder(path, values["name"], values["codec"], decoder, tuple(words), values["sha256"])
