"""Codes on disk: one safetensors file that says which space and model they belong to."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from voiceagent_codec.base import CodeSpace
from voiceagent_codec.errors import CodeError
from voiceagent_codec.files import whole_file

KIND = "codes"


@dataclasses.dataclass(frozen=True, slots=True)
class CodesFile:
    """A recording as codes.

    Attributes:
        codes: i64 [T, K].
        side: "user" (heard) or "agent" (spoken).
        model: name of the model whose codec made them.
    """

    codes: Tensor
    side: str
    model: str


def write_codes(path: Path, file: CodesFile) -> None:
    """Write whole or not at all.

    Raises:
        OSError: the folder is missing or cannot be written.
    """
    metadata = {"kind": KIND, "side": file.side, "model": file.model}
    with whole_file(path) as partial:
        try:
            save_file({"codes": file.codes.to(torch.int16)}, partial, metadata=metadata)
        except SafetensorError as error:  # how the library reports a folder it cannot write to
            raise OSError(str(error)) from error


def read_codes(path: Path, model: str, spaces: dict[str, CodeSpace]) -> CodesFile:
    """Read codes and check that they fit a model's code spaces.

    Args:
        path: a file of `write_codes`.
        model: name of the model they are for.
        spaces: its spaces by side.

    Raises:
        CodeError: missing, damaged, foreign, another model's, or codes out of range.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("kind") != KIND:
                raise CodeError(
                    f"{path}: holds no codes; 'voiceagent codec encode' makes such files"
                )
            codes = stored.get_tensor("codes")
    except FileNotFoundError as error:
        raise CodeError(f"{path}: no such file") from error
    except (SafetensorError, OSError) as error:
        raise CodeError(f"{path}: not a whole safetensors file ({error})") from error
    if codes.dtype != torch.int16:
        raise CodeError(f"{path}: codes are int16, not {codes.dtype}")
    codes = codes.to(torch.int64)
    file = CodesFile(codes, metadata.get("side", ""), metadata.get("model", ""))
    if file.model != model or file.side not in spaces:
        raise CodeError(f"{path}: {file.side} codes of model '{file.model}', not of '{model}'")
    space = spaces[file.side]
    if codes.dim() != 2 or codes.shape[1] != space.codebooks or not len(codes):
        raise CodeError(f"{path}: codes are [T, {space.codebooks}], not {list(codes.shape)}")
    if int(codes.min()) < 0 or int(codes.max()) >= space.cardinality:
        raise CodeError(f"{path}: holds codes outside 0 to {space.cardinality - 1}")
    return file
