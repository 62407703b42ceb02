"""LoRA and DoRA adapters, merged into a decoder's weights when it is loaded.

Two layouts: PEFT's (`adapter_config.json`, `adapter_model.safetensors`) and that of moshi-finetune
(`lora.safetensors`, rank and factor in `config.json`). Merging costs nothing per step, so an engine
has one adapter. Sources: Hu et al. 2021, arXiv 2106.09685; Liu et al. 2024, arXiv 2402.09353.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from voiceagent.errors import ConfigError
from voiceagent.model.config_file import read_json
from voiceagent.model.decoder import Decoder
from voiceagent.model.moshi_weights import is_spare, published_places

PEFT_CONFIG, PEFT_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
KYUTAI_WEIGHTS = "lora.safetensors"
_PEFT_PREFIX = "base_model.model."
_KEY = re.compile(
    r"(?P<name>.+)\.(?:lora_(?P<side>[AB])\.weight|lora_magnitude_vector(?:\.weight)?)"
)
#: PEFT options that change the formula; only these values are merged here.
_PEFT_FIXED: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "fan_in_fan_out": (False,),
    "modules_to_save": (None, []),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "lora_bias": (False,),
    "layer_replication": (None,),
    "init_lora_weights": (True, False, "gaussian"),  # the others change the base weights too
}


@dataclasses.dataclass(frozen=True, slots=True)
class Adapter:
    """Low-rank changes of some matrices.

    Attributes:
        weights: the safetensors file.
        rank: of every pair.
        scaling: factor of B A.
        is_dora: every pair comes with the length of its matrix's rows.
    """

    weights: Path
    rank: int
    scaling: float
    is_dora: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.rank, int) or self.rank < 1:
            raise ConfigError(f"{self.weights}: its rank must be a whole number, not {self.rank!r}")


def open_adapter(folder: Path) -> Adapter:
    """Read an adapter's config.

    Args:
        folder: of PEFT's layout or moshi-finetune's.

    Raises:
        ConfigError: neither layout, or a kind of adapter that is not merged here.
    """
    if (folder / PEFT_CONFIG).is_file():
        return _open_peft(folder)
    if (folder / KYUTAI_WEIGHTS).is_file():
        values = read_json(folder / "config.json")
        return Adapter(
            folder / KYUTAI_WEIGHTS, values.get("lora_rank", 128), values.get("lora_scaling", 2.0)
        )
    raise ConfigError(
        f"{folder}: no adapter; a folder with {PEFT_CONFIG} and {PEFT_WEIGHTS}, or with "
        f"{KYUTAI_WEIGHTS} and config.json, is needed"
    )


@torch.no_grad()
def merge_adapter(decoder: Decoder, adapter: Adapter) -> None:
    """Add an adapter to a decoder's weights, in float32, in place.

    W + s B A for LoRA; for DoRA every row of that is given the length that the adapter stores.

    Raises:
        ConfigError: a matrix that the model has not, or one of another rank or shape; nothing has
            been changed.
    """
    pairs = _pairs(adapter, decoder.config.agent.codebooks)
    places = published_places(decoder, split=True)
    for name, pair in pairs.items():
        _check(adapter, name, pair, places.get(f"{name}.weight"))
    for name, pair in pairs.items():
        place = places[f"{name}.weight"]
        place.copy_(_merged(place, pair, adapter.scaling))


def _merged(weight: Tensor, pair: Mapping[str, Tensor], scaling: float) -> Tensor:
    down, up = (pair[side].to(weight.device).float() for side in ("A", "B"))
    merged = weight.float() + scaling * (up @ down)
    if "magnitude" in pair:
        length = pair["magnitude"].to(weight.device).float()
        merged *= (length / merged.norm(dim=1))[:, None]
    return merged


def _check(adapter: Adapter, name: str, pair: Mapping[str, Tensor], place: Tensor | None) -> None:
    """Raise ConfigError unless a pair changes a matrix of this model."""
    where = f"{adapter.weights}: adapter of '{name}'"
    if place is None:
        raise ConfigError(f"{where}: this model has no such matrix")
    needed = {"A", "B", "magnitude"} if adapter.is_dora else {"A", "B"}
    if pair.keys() != needed:
        raise ConfigError(f"{where}: holds {sorted(pair)}, by its config it needs {sorted(needed)}")
    rows, columns = place.shape
    want = {"A": [adapter.rank, columns], "B": [rows, adapter.rank], "magnitude": [rows]}
    for side, tensor in pair.items():
        if list(tensor.shape) != want[side]:
            raise ConfigError(
                f"{where}: its {side} is {list(tensor.shape)}, expected {want[side]} "
                f"(rank {adapter.rank} by its config)"
            )


def _pairs(adapter: Adapter, codebooks: int) -> dict[str, dict[str, Tensor]]:
    """Matrix name -> its "A", "B" and, for DoRA, "magnitude"."""
    try:
        tensors = load_file(adapter.weights)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{adapter.weights}: cannot be read ({error})") from error
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise ConfigError(f"{adapter.weights}: tensor '{key}' is no LoRA or DoRA weight")
        name = match["name"].removeprefix(_PEFT_PREFIX)
        if not is_spare(name + ".", codebooks):
            pairs.setdefault(name, {})[match["side"] or "magnitude"] = tensor
    return pairs


def _open_peft(folder: Path) -> Adapter:
    file = folder / PEFT_CONFIG
    values = read_json(file)
    for key, allowed in _PEFT_FIXED.items():
        if values.get(key, allowed[0]) not in allowed:
            raise ConfigError(f"{file}: '{key}' is {values[key]!r}, which is not merged here")
    rank, alpha = values.get("r"), values.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise ConfigError(f"{file}: 'r' and 'lora_alpha' must be numbers, not {rank!r}, {alpha!r}")
    divisor = rank**0.5 if values.get("use_rslora") else rank
    is_dora = values.get("use_dora") is True
    return Adapter(folder / PEFT_WEIGHTS, rank, alpha / divisor, is_dora)
