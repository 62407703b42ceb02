"""Checkpoints: safetensors only, int8 or half precision on disk, checked before use.

A matrix may be stored as int8 with float32 scales, one per row, in a second tensor named
``<name>.scale``; everything else is float16, bfloat16 or float32. To a matrix [O, I] the product of
``<name>.outer`` [O, R] and ``<name>.inner`` [R, I] may have to be added: what it learnt later.
Reading gives float32. Pickled formats are refused: opening one runs whatever code it holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from voiceagent_codec.errors import WeightsError
from voiceagent_codec.files import whole_file

FORMAT_VERSION = "1"
SCALE_SUFFIX, OUTER_SUFFIX, INNER_SUFFIX = ".scale", ".outer", ".inner"
_SUFFIXES = (SCALE_SUFFIX, OUTER_SUFFIX, INNER_SUFFIX)
FLOAT_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
PICKLE_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


def read_checkpoint(path: Path, kind: str) -> dict[str, Tensor]:
    """Every tensor of a checkpoint as float32 on the CPU.

    Args:
        path: a safetensors file that `save_checkpoint` wrote.
        kind: what it must hold, as written into its metadata ("nano-codec", "decoder").

    Raises:
        WeightsError: the file is missing, no safetensors file, truncated, of another kind or
            version, or holds a tensor of an unknown dtype or with a NaN.
    """
    stored = read_stored(path, kind)
    tensors = {}
    for name, value in stored.items():
        suffix = name[name.rfind(".") :]
        if suffix in _SUFFIXES:
            if name.removesuffix(suffix) not in stored:
                raise WeightsError(str(path), f"is {suffix[1:]} of a tensor that is missing", name)
            continue
        tensors[name] = _to_float(path, name, value, stored.get(name + SCALE_SUFFIX))
        tensors[name] += _low_rank(path, name, value.shape, stored)
    return tensors


def load_into(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    unused_prefixes: tuple[str, ...] = (),
) -> None:
    """Copy a checkpoint into a module, every name and shape checked first.

    Args:
        module: its `state_dict` is what the checkpoint must hold, no more and no less.
        tensors: of `read_checkpoint`.
        path: named in errors.
        unused_prefixes: names that may be there without a use.

    Raises:
        WeightsError: a tensor is missing, unknown or of another shape; nothing was loaded.
    """
    expected = {name: value.shape for name, value in module.state_dict().items()}
    found = {name: value.shape for name, value in tensors.items()}
    check_shapes(path, expected, found, lambda name: name.startswith(unused_prefixes or ("\0",)))
    module.load_state_dict({name: tensors[name] for name in expected})


def check_shapes(
    path: Path,
    expected: Mapping[str, Sequence[int]],
    found: Mapping[str, Sequence[int]],
    is_unused: Callable[[str], bool] = lambda name: False,
) -> None:
    """Raise WeightsError unless a checkpoint holds what is expected, no more and no less.

    Args:
        path: named in errors.
        expected: shapes by name.
        found: the checkpoint's.
        is_unused: names that may be there without a use.
    """
    for name, shape in expected.items():
        if name not in found:
            raise WeightsError(str(path), f"missing; expected {list(shape)}", name)
        have, want = list(found[name]), list(shape)
        if have != want:
            raise WeightsError(str(path), f"has shape {have}, expected {want}", name)
    for name in found:
        if name not in expected and not is_unused(name):
            raise WeightsError(str(path), "is no part of this model", name)


def save_checkpoint(
    path: Path,
    tensors: Mapping[str, Tensor],
    kind: str,
    *,
    quantize: Callable[[str, Tensor], bool] = lambda name, value: False,
    kept: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: the file; replaced if it exists.
        tensors: floating-point tensors by name.
        kind: what `read_checkpoint` will ask for.
        quantize: which tensors to store as int8; the others become float16.
        kept: of another checkpoint, by `read_stored`, to be written as they are.
    """
    stored = dict(kept or {})
    for name, value in tensors.items():
        if quantize(name, value):
            stored[name], stored[name + SCALE_SUFFIX] = quantize_rows(value)
        else:
            stored[name] = value.half().contiguous()
    with whole_file(path) as partial:
        save_file(stored, partial, metadata={"kind": kind, "version": FORMAT_VERSION})


def add_low_rank(
    source: Path, path: Path, kind: str, updates: Mapping[str, tuple[Tensor, Tensor]]
) -> None:
    """Write a checkpoint that holds all of another one, byte by byte, and what was learnt since.

    Args:
        source: the other one.
        path: the file; replaced if it exists.
        kind: of both.
        updates: by name of a matrix [O, I], the factors [O, R] and [R, I] of what is added to it,
            in place of those that it has.

    Raises:
        WeightsError: the other one cannot be read, or holds no such matrix.
    """
    stored = read_stored(source, kind)
    for name, factors in updates.items():
        if name not in stored:
            raise WeightsError(str(source), "missing; there is nothing to add to", name)
        for suffix, factor in zip((OUTER_SUFFIX, INNER_SUFFIX), factors, strict=True):
            part = name + suffix
            stored[part], stored[part + SCALE_SUFFIX] = quantize_rows(factor)
    with whole_file(path) as partial:
        save_file(stored, partial, metadata={"kind": kind, "version": FORMAT_VERSION})


def read_low_rank(path: Path, kind: str) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return the matrices that something was added to, and what.

    Args:
        path: a checkpoint.
        kind: of it.

    Returns:
        By name, f32: the matrix [O, I] without it, and the factors [O, R] and [R, I].

    Raises:
        WeightsError: as `read_checkpoint`.
    """
    stored = read_stored(path, kind)
    found = {}
    for name, value in stored.items():
        outer, inner = _factors(path, name, stored)
        _low_rank(path, name, value.shape, stored)  # they are two, and fit
        if outer is not None and inner is not None:
            weight = _to_float(path, name, value, stored.get(name + SCALE_SUFFIX))
            found[name] = weight, outer, inner
    return found


def quantize_rows(value: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric int8 along the last axis: int8 [..., N] and f32 scales [...]."""
    scale = value.float().abs().amax(-1).clamp(min=1e-12) / 127
    return torch.round(value.float() / scale[..., None]).to(torch.int8), scale


@contextlib.contextmanager
def open_safetensors(path: Path, device: torch.device | str = "cpu") -> Iterator[Any]:
    """Open a checkpoint of anybody's; nothing is read before it is asked for.

    Args:
        path: a safetensors file.
        device: where its tensors shall come to lie.

    Yields:
        The handle of `safetensors.safe_open`: `keys`, `get_slice`, `get_tensor`.

    Raises:
        WeightsError: the file is missing, a folder, truncated, or of a pickled format.
    """
    if path.suffix in PICKLE_SUFFIXES:
        raise WeightsError(
            str(path), "pickled checkpoints can run code and are refused; convert to safetensors"
        )
    try:
        if path.is_dir():
            raise IsADirectoryError(path)
        with safe_open(path, framework="pt", device=str(device)) as file:
            yield file
    except FileNotFoundError as error:
        raise WeightsError(str(path), "no such file") from error
    except IsADirectoryError as error:
        raise WeightsError(str(path), "is a folder") from error
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            str(path), f"not a whole safetensors file ({error}); copy or download it again"
        ) from error


def read_stored(path: Path, kind: str) -> dict[str, Tensor]:
    """Every tensor of a checkpoint as it lies there; see `read_checkpoint`."""
    with open_safetensors(path) as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if metadata.get("kind") != kind:
        found = metadata.get("kind") or _foreign(tensors)
        raise WeightsError(str(path), f"holds {found}, expected {kind}")
    if metadata.get("version") != FORMAT_VERSION:
        raise WeightsError(
            str(path),
            f"format version {metadata.get('version')}, this program reads {FORMAT_VERSION}",
        )
    return tensors


def _foreign(tensors: Mapping[str, Tensor]) -> str:
    """What a checkpoint of somebody else's holds, by its first tensor."""
    first = next(((name, list(value.shape)) for name, value in tensors.items()), None)
    return f"a foreign checkpoint (its first tensor is {first})"


def _low_rank(path: Path, name: str, shape: Sequence[int], stored: Mapping[str, Tensor]) -> Tensor:
    """What is to be added to a tensor."""
    outer, inner = _factors(path, name, stored)
    if outer is None and inner is None:
        return torch.zeros(())
    if outer is None or inner is None:
        raise WeightsError(str(path), "has an outer or an inner factor alone", name)
    rows, columns = [*outer.shape], [*inner.shape]
    if rows[:1] + columns[1:] != list(shape) or rows[1:] != columns[:1]:
        raise WeightsError(
            str(path), f"is {list(shape)}; its outer and inner factors are {rows}, {columns}", name
        )
    return outer @ inner


def _factors(
    path: Path, name: str, stored: Mapping[str, Tensor]
) -> tuple[Tensor | None, Tensor | None]:
    """Outer and inner factor of what is to be added to a tensor, where there are such."""

    def factor(suffix: str) -> Tensor | None:
        part = name + suffix
        if part not in stored:
            return None
        return _to_float(path, part, stored[part], stored.get(part + SCALE_SUFFIX))

    return factor(OUTER_SUFFIX), factor(INNER_SUFFIX)


def _to_float(path: Path, name: str, value: Tensor, scale: Tensor | None) -> Tensor:
    if value.dtype == torch.int8:
        if scale is None:
            raise WeightsError(str(path), "is int8 without its scale", name)
        if scale.shape != value.shape[:-1]:
            have, want = list(scale.shape), list(value.shape[:-1])
            raise WeightsError(str(path), f"has scales of shape {have}, expected {want}", name)
        result = value.float() * scale.float()[..., None]
    elif value.dtype in FLOAT_DTYPES and scale is None:
        result = value.float()
    else:
        raise WeightsError(str(path), f"has dtype {value.dtype}, expected int8 or a float", name)
    if not bool(torch.isfinite(result).all()):
        raise WeightsError(str(path), "holds a value that is not finite", name)
    return result
