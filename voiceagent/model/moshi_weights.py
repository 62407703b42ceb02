"""Published Moshi tensors -> the decoder's parameters, one tensor in memory at a time.

Two layouts are read: the published one, with one attention matrix for all codebooks
(`in_proj_weight`), and that of a `state_dict()` of moshi >= 0.2 (`in_projs.{k}.weight`). Weights of
codebooks beyond the agent's are left alone (the user's, which PersonaPlex predicts as well).
Int8 matrices with a row of scales (`<name>_scb`, absolute maxima) are multiplied out.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.weights import PICKLE_SUFFIXES

from voiceagent.model.decoder import Decoder
from voiceagent.model.layers import TransformerLayer

SCALE_SUFFIX = "_scb"
INDEX_SUFFIX = ".index.json"
_FLOATS = ("F32", "F16", "BF16")
_PER_CODEBOOK = re.compile(
    r"(?P<name>linears|depformer_in|depformer_emb|"
    r"depformer\.layers\.\d+\.(?:gating|self_attn\.(?:in|out)_projs))\.(?P<k>\d+)\."
)


class TensorFiles:
    """The tensors of one safetensors file, or of the shards that an index lists.

    Next: `load_published`. Opening reads headers only.
    """

    def __init__(self, path: Path, stack: contextlib.ExitStack) -> None:
        self.path = path
        self._files: dict[str, Any] = {}
        for shard in _shards(path):
            file = stack.enter_context(_open(shard))
            self._files |= dict.fromkeys(file.keys(), file)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def shape(self, name: str) -> list[int]:
        """Of one tensor, from the header."""
        return list(self._files[name].get_slice(name).get_shape())

    def dtype(self, name: str) -> str:
        """Of one tensor, as safetensors names it."""
        return str(self._files[name].get_slice(name).get_dtype())

    def read(self, name: str, rows: int) -> Tensor:
        """The first rows of one tensor, int8 multiplied out."""
        value: Tensor = self._files[name].get_slice(name)[:rows]
        if value.dtype == torch.int8:
            scale = self._files[name + SCALE_SUFFIX].get_slice(name + SCALE_SUFFIX)[:rows]
            return value.float() * (scale.float() / 127)[:, None]
        return value


@contextlib.contextmanager
def open_tensors(path: Path) -> Iterator[TensorFiles]:
    """Open a checkpoint: `model.safetensors`, or `model.safetensors.index.json` beside its shards.

    Raises:
        WeightsError: no such file, a pickled format, or no whole safetensors file.
    """
    with contextlib.ExitStack() as stack:
        yield TensorFiles(path, stack)


@torch.no_grad()
def load_published(decoder: Decoder, tensors: TensorFiles) -> None:
    """Fill a decoder; every name, shape and dtype is checked before anything is read.

    Raises:
        WeightsError: names the tensor that is missing, unknown, of another shape or dtype, or not
            finite.
    """
    places = places_for(decoder, tensors)
    check_fit(decoder, places, tensors)
    for name, place in places.items():
        place.copy_(tensors.read(name, place.shape[0]))
        if not bool(torch.isfinite(place).all()):
            raise WeightsError(str(tensors.path), "holds a value that is not finite", name)


def places_for(decoder: Decoder, tensors: Any) -> dict[str, Tensor]:
    """The places in a decoder's parameters, by the names that a checkpoint's layout uses."""
    return published_places(decoder, split=any(".in_projs." in name for name in tensors))


def published_places(decoder: Decoder, *, split: bool) -> dict[str, Tensor]:
    """Every published tensor's place in a decoder: a view on one of its parameters.

    Args:
        decoder: on any device, the meta device included.
        split: attention matrices one per codebook (`in_projs.{k}.weight`), not as one.
    """
    config = decoder.config
    depth, agent = decoder.depth, config.agent.codebooks
    agent_books = decoder.agent_embedding.weight.view(agent, config.agent_rows, -1)
    user_books = decoder.user_embedding.weight.view(config.user.codebooks, config.user_rows, -1)
    places: dict[str, Tensor] = {
        "text_emb.weight": decoder.text_embedding.weight,
        "text_linear.weight": decoder.text_head.weight,
        "out_norm.alpha": decoder.norm.weight.view(1, 1, -1),
        "depformer_text_emb.weight": depth.text_embedding,
    }
    lists = {
        "emb": [*agent_books, *user_books],
        "depformer_in": list(depth.input_weight),
        "depformer_emb": list(depth.code_embedding),
        "linears": list(depth.heads),
    }
    for name, views in lists.items():
        places |= {f"{name}.{k}.weight": view for k, view in enumerate(views)}
    for i, layer in enumerate(decoder.temporal_layers()):
        places |= _layer_places(f"transformer.layers.{i}.", layer, split)
    for i, layer in enumerate(depth.typed_layers()):
        places |= _layer_places(f"depformer.layers.{i}.", layer, split)
    return places


def check_fit(decoder: Decoder, places: Mapping[str, Tensor], tensors: TensorFiles) -> None:
    """Raise WeightsError for the first tensor that does not fit its place."""
    for name, place in places.items():
        want = list(place.shape)
        if name not in tensors:
            raise WeightsError(str(tensors.path), f"missing; expected {want}", name)
        have = tensors.shape(name)
        # more rows: one matrix per codebook, of more codebooks than the agent speaks
        is_taller = ".self_attn." in name and have[1:] == want[1:] and have[0] % want[0] == 0
        if have != want and not (is_taller and name.startswith("depformer.")):
            raise WeightsError(str(tensors.path), f"has shape {have}, expected {want}", name)
        _check_dtype(tensors, name)
    for name in tensors:
        base = name.removesuffix(SCALE_SUFFIX)
        if base not in places and not is_spare(base, decoder.config.agent.codebooks):
            raise WeightsError(str(tensors.path), "is no part of this model", name)


def _check_dtype(tensors: TensorFiles, name: str) -> None:
    found, scale = tensors.dtype(name), name + SCALE_SUFFIX
    if found == "I8":
        if scale not in tensors or tensors.shape(scale) != tensors.shape(name)[:1]:
            raise WeightsError(str(tensors.path), f"is int8 without one '{scale}' a row", name)
    elif found not in _FLOATS:
        raise WeightsError(str(tensors.path), f"has dtype {found}, expected a float or I8", name)


def is_spare(name: str, codebooks: int) -> bool:
    """Whether a tensor belongs to the depth transformer's step of a codebook beyond these."""
    match = _PER_CODEBOOK.match(name)
    if match is None:
        return False
    # embedding k is of the code before codebook k + 1
    return int(match["k"]) >= codebooks - (match["name"] == "depformer_emb")


def _layer_places(prefix: str, layer: TransformerLayer, split: bool) -> dict[str, Tensor]:
    into, out = layer.attention_in.weight, layer.attention_out.weight
    places = {
        f"{prefix}norm1.alpha": layer.norm1.weight.view(1, 1, -1),
        f"{prefix}norm2.alpha": layer.norm2.weight.view(1, 1, -1),
    }
    if split:
        for k in range(len(into)):
            places[f"{prefix}self_attn.in_projs.{k}.weight"] = into[k]
            places[f"{prefix}self_attn.out_projs.{k}.weight"] = out[k]
    else:
        places[f"{prefix}self_attn.in_proj_weight"] = into.flatten(0, 1)
        places[f"{prefix}self_attn.out_proj.weight"] = out.flatten(0, 1)
    is_depth = prefix.startswith("depformer.")
    for k in range(len(layer.hidden_in.weight)):
        gate = f"{prefix}gating.{k}." if is_depth else f"{prefix}gating."
        places[f"{gate}linear_in.weight"] = layer.hidden_in.weight[k]
        places[f"{gate}linear_out.weight"] = layer.hidden_out.weight[k]
    return places


def _shards(path: Path) -> list[Path]:
    if path.suffix in PICKLE_SUFFIXES:
        raise WeightsError(
            str(path), "pickled checkpoints can run code and are refused; convert to safetensors"
        )
    index = path.with_name(path.name + INDEX_SUFFIX)
    if path.exists() or not index.exists():
        return [path]
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(str(index), f"not an index of shards ({error!r})") from error
    return [path.parent / Path(name).name for name in sorted(map(str, names))]


def _open(path: Path) -> Any:
    if path.is_dir():
        raise WeightsError(str(path), "is a folder")
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError as error:
        raise WeightsError(str(path), _instead_of(path)) from error
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            str(path), f"not a whole safetensors file ({error}); copy or download it again"
        ) from error


def _instead_of(path: Path) -> str:
    """Why a file is missing, when the folder holds the model in a format that is refused."""
    pickled = sorted(p.name for p in path.parent.glob("*") if p.suffix in PICKLE_SUFFIXES)
    if not pickled:
        return "no such file"
    return f"no such file; {pickled[0]} is pickled, can run code and is refused: convert it"
