"""The published checkpoint of Mimi: its tensor names and layouts, and how they become ours.

Every published tensor has a place in the codec: a view of our storage in the published shape. So
one table checks names and shapes, and reading is a copy into each place, tensor by tensor and
straight to the device. Kyutai's layout only (`tokenizer-e351c8d8-checkpoint125.safetensors`, and
the attention names of moshi >= 0.2); not that of candle or transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from voiceagent_codec.conv import (
    Activated,
    CausalConv,
    CausalConvTranspose,
    ConvStack,
    Residual,
)
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.transformer import Transformer
from voiceagent_codec.weights import FLOAT_DTYPES, check_shapes, open_safetensors

if TYPE_CHECKING:
    from voiceagent_codec.mimi import MimiCodec

# centroids are stored as sums over their members and how many there were
USAGE_FLOOR = 1e-5
UNUSED_LEVEL = re.compile(
    r"quantizer\.rvq_rest\.vq\.layers\.\d+\._codebook\.(_initialized|cluster_usage|embedding_sum)"
)


def load_published(codec: MimiCodec, path: Path) -> None:
    """Copy a published checkpoint into a codec.

    Args:
        codec: on the device and in the dtype it shall have; codebooks beyond its own stay on disk.
        path: a safetensors file.

    Raises:
        WeightsError: the file cannot be read, or a tensor is missing, unknown, of another shape,
            of no floating dtype or not finite. Names and shapes are looked at before any value.
    """
    places = published_places(codec)
    with open_safetensors(path, codec.user_silence.device) as file:
        stored = _by_published_name(path, file.keys())
        check_shapes(
            path,
            {name: place.shape for name, place in places.items()},
            {name: file.get_slice(stored[name]).get_shape() for name in stored},
            lambda name: bool(UNUSED_LEVEL.fullmatch(name)),
        )
        for name, place in places.items():
            place.copy_(_checked(path, stored[name], file.get_tensor(stored[name])))
    for prefix, centroids in _codebooks(codec):
        usage = places[f"{prefix}.cluster_usage"]
        centroids /= usage.clamp(min=USAGE_FLOOR)[:, None]
    codec.quantizer.semantic.freeze()
    codec.quantizer.acoustic.freeze()


def published_name(name: str) -> str:
    """The name that the published file has for a tensor of moshi >= 0.2; others stay as they are.

    moshi splits attention weights into one per step of a depth transformer, of which Mimi has one.
    """
    return name.replace(".self_attn.in_projs.0.weight", ".self_attn.in_proj_weight").replace(
        ".self_attn.out_projs.0.weight", ".self_attn.out_proj.weight"
    )


def _by_published_name(path: Path, names: Iterable[str]) -> dict[str, str]:
    stored: dict[str, str] = {}
    for name in names:
        first = stored.setdefault(published_name(name), name)
        if first != name:
            raise WeightsError(str(path), f"is there under the name '{first}' as well", name)
    return stored


def published_places(codec: MimiCodec) -> dict[str, Tensor]:
    """Where each published tensor goes: views of the codec's own storage, in published shapes.

    The two exceptions are tensors of their own: `cluster_usage`, by which `embedding_sum` is yet to
    be divided, and `_initialized`, which says nothing once training is over.
    """
    places = dict(_seanet("encoder", codec.encoder))
    places |= _transformer("encoder_transformer", codec.encoder_transformer)
    places["downsample.conv.conv.conv.weight"] = _taps_last(
        codec.downsample.weight, codec.config.width
    )
    quantizer = codec.quantizer
    for branch, inner, outer in (
        ("rvq_first", quantizer.semantic_in, quantizer.semantic_out),
        ("rvq_rest", quantizer.acoustic_in, quantizer.acoustic_out),
    ):
        places[f"quantizer.{branch}.input_proj.weight"] = inner.weight[:, :, None]
        places[f"quantizer.{branch}.output_proj.weight"] = outer.weight[:, :, None]
    for prefix, centroids in _codebooks(codec):
        places[f"{prefix}._initialized"] = centroids.new_empty(1)
        places[f"{prefix}.cluster_usage"] = centroids.new_empty(len(centroids))
        places[f"{prefix}.embedding_sum"] = centroids
    places["upsample.convtr.convtr.convtr.weight"] = codec.upsample.weight.t()[:, None]
    places |= _transformer("decoder_transformer", codec.decoder_transformer)
    places |= _seanet("decoder", codec.decoder)
    return places


def _seanet(prefix: str, stack: ConvStack) -> Iterator[tuple[str, Tensor]]:
    """Published modules are numbered with their activations, ours stand inside the layers."""
    number = 0
    for layer in stack.typed():
        if isinstance(layer, Residual):
            block = f"{prefix}.model.{number}.block"
            yield from _conv(f"{block}.1", layer.conv)
            yield f"{block}.3.conv.conv.weight", layer.mix.weight[:, :, None]
            yield f"{block}.3.conv.conv.bias", layer.mix.bias
        else:
            number += isinstance(layer, Activated)
            conv = layer.conv if isinstance(layer, Activated) else layer
            yield from _conv(f"{prefix}.model.{number}", conv)
        number += 1


def _conv(prefix: str, conv: object) -> Iterator[tuple[str, Tensor]]:
    if isinstance(conv, CausalConvTranspose):
        taps_first = conv.weight.view(-1, conv.channels_out, conv.weight.shape[1])
        yield f"{prefix}.convtr.convtr.weight", taps_first.permute(2, 1, 0)
        yield f"{prefix}.convtr.convtr.bias", conv.bias
    elif isinstance(conv, CausalConv) and conv.bias is not None:
        yield f"{prefix}.conv.conv.weight", _taps_last(conv.weight, conv.channels_in)
        yield f"{prefix}.conv.conv.bias", conv.bias
    else:
        raise TypeError(f"{prefix}: {type(conv).__name__} is no layer of SEANet")


def _taps_last(weight: Tensor, channels_in: int) -> Tensor:
    """[C_out, K * C_in] seen as [C_out, C_in, K]."""
    return weight.view(len(weight), -1, channels_in).transpose(1, 2)


def _transformer(prefix: str, transformer: Transformer) -> Iterator[tuple[str, Tensor]]:
    for number, layer in enumerate(transformer.typed()):
        here = f"{prefix}.transformer.layers.{number}"
        yield f"{here}.self_attn.in_proj_weight", layer.attention_in.weight
        yield f"{here}.self_attn.out_proj.weight", layer.attention_out.weight
        for name, norm in (("norm1", layer.norm1), ("norm2", layer.norm2)):
            yield f"{here}.{name}.weight", norm.weight
            yield f"{here}.{name}.bias", norm.bias
        yield f"{here}.linear1.weight", layer.hidden_in.weight
        yield f"{here}.linear2.weight", layer.hidden_out.weight
        yield f"{here}.layer_scale_1.scale", layer.attention_scale
        yield f"{here}.layer_scale_2.scale", layer.hidden_scale


def _codebooks(codec: MimiCodec) -> Iterator[tuple[str, Tensor]]:
    for branch, levels in (
        ("rvq_first", codec.quantizer.semantic.codebooks),
        ("rvq_rest", codec.quantizer.acoustic.codebooks),
    ):
        for number, centroids in enumerate(levels):
            yield f"quantizer.{branch}.vq.layers.{number}._codebook", centroids


def _checked(path: Path, name: str, tensor: Tensor) -> Tensor:
    if tensor.dtype not in FLOAT_DTYPES:
        raise WeightsError(str(path), f"has dtype {tensor.dtype}, expected a float", name)
    if not bool(torch.isfinite(tensor).all()):
        raise WeightsError(str(path), "holds a value that is not finite", name)
    return tensor
