"""A model folder on disk -> codec, decoder and tokenizer.

A folder holds `config.json` (sizes, vocabulary), `codec.safetensors` and `decoder.safetensors`.
The embedded model is the folder `nano` shipped in this package. Hub ids and Moshi's own layout are
not read here.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from voiceagent_codec.nano import NanoCodec, load_nano_codec
from voiceagent_codec.weights import load_into, read_checkpoint

from voiceagent.errors import ConfigError
from voiceagent.model.config import DecoderConfig, decoder_config
from voiceagent.model.decoder import Decoder
from voiceagent.model.tokenizer import WordTokenizer

FORMAT_VERSION = 1
NANO_FOLDER = Path(__file__).parent / "nano"


@dataclasses.dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model folder whose config has been read; weights are read by the two loaders."""

    path: Path
    name: str
    codec_sizes: dict[str, Any]
    decoder: DecoderConfig
    vocabulary: tuple[str, ...]

    @property
    def codec_path(self) -> Path:
        """The codec's weights."""
        return self.path / "codec.safetensors"

    @property
    def decoder_path(self) -> Path:
        """The decoder's weights."""
        return self.path / "decoder.safetensors"

    def load_codec(self, *, with_agent_encoder: bool = False) -> NanoCodec:
        """Read the codec.

        Raises:
            ConfigError: its sizes are wrong or do not fit the decoder's streams.
            WeightsError: its weights do not fit.
        """
        try:
            codec = load_nano_codec(
                self.codec_path, self.codec_sizes, with_agent_encoder=with_agent_encoder
            )
        except ValueError as error:
            raise ConfigError(f"{self.path / 'config.json'}: {error}") from error
        for side in ("user", "agent"):
            makes, takes = getattr(codec.spec, side), getattr(self.decoder, side)
            if makes != takes:
                raise ConfigError(
                    f"{self.path / 'config.json'}: the codec's {side} codes are {makes}, "
                    f"the decoder's {takes}"
                )
        return codec

    def load_decoder(self) -> Decoder:
        """Read the decoder.

        Raises:
            WeightsError: its weights do not fit.
        """
        decoder = Decoder(self.decoder).eval()
        load_into(decoder, read_checkpoint(self.decoder_path, "decoder"), self.decoder_path)
        return decoder

    def tokenizer(self) -> WordTokenizer:
        """The words of the text streams."""
        return WordTokenizer(self.vocabulary)


def open_model(model: str | Path) -> ModelFolder:
    """Find a model folder and read its config.

    Args:
        model: "nano" for the embedded model, or the path of a folder.

    Raises:
        ConfigError: no such folder, or a config that cannot be used; names the field.
    """
    path = NANO_FOLDER if model == "nano" else Path(model)
    file = path / "config.json"
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            f"{file}: no such file; --model takes 'nano' or a folder that holds config.json"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not JSON ({error})") from error
    return _parse(path, file, values)


def _parse(path: Path, file: Path, values: Any) -> ModelFolder:
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: must hold an object")
    known = {"format_version", "name", "codec", "decoder", "vocabulary"}
    for key in known - values.keys():
        raise ConfigError(f"{file}: '{key}' is missing")
    for key in values.keys() - known:
        raise ConfigError(f"{file}: '{key}' is not known; a folder holds {sorted(known)}")
    if values["format_version"] != FORMAT_VERSION:
        raise ConfigError(
            f"{file}: format_version is {values['format_version']}, "
            f"this program reads {FORMAT_VERSION}"
        )
    decoder = decoder_config(values["decoder"], str(file))
    vocabulary = values["vocabulary"]
    if not isinstance(vocabulary, list) or len(vocabulary) > decoder.text_cardinality:
        raise ConfigError(f"{file}: vocabulary must list at most {decoder.text_cardinality} words")
    return ModelFolder(path, str(values["name"]), dict(values["codec"]), decoder, tuple(vocabulary))
