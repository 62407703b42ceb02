"""From checkpoints to a model folder: int8 matrices, everything else in half precision.

The codec is written first, and what comes after is made with the codec as it is *read back*: the
decoder learns the codes that the shipped weights give.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from voiceagent_codec.files import whole_file
from voiceagent_codec.nano import EAR, KIND, NanoCodec, load_nano_codec
from voiceagent_codec.weights import add_low_rank, read_low_rank, read_stored, save_checkpoint

from voiceagent.model.checkpoint import FORMAT_VERSION, OwnFolder
from voiceagent.training.calls import agent_silence
from voiceagent.training.decoder import decoder_sizes
from voiceagent.training.low_rank import balanced, learnt_updates
from voiceagent.training.sizes import CODEC_SIZES
from voiceagent.training.vocabulary import tokens
from voiceagent.training.workspace import Workspace

NAME = "nano"
FOLDER = "model"
#: What a model folder may weigh.
MOST_BYTES = 20_000_000
_LEAST_NUMBERS = 4096
# of a decoder that goes on from another one, and of what an ear alone has learnt
_LEARNT_SHARE = 0.5
# stage -> parts of its network -> parts of the codec
_LEARNT = {
    "semantic": {"encoder": "semantic"},
    "voice": {"voice": "voice", "encoder": "agent_encoder"},
}


def is_quantised(name: str, value: Tensor) -> bool:
    """Whether a tensor is stored as int8: the large matrices, but no codebook."""
    return value.dim() >= 2 and value.numel() >= _LEAST_NUMBERS and "codebooks" not in name


def export_codec(
    workspace: Workspace, learnt: Sequence[str], before: OwnFolder | None = None
) -> None:
    """Write ``codec.safetensors``.

    Args:
        workspace: of the run.
        learnt: stages, of ``semantic`` and ``voice``; both where nothing was before.
        before: where all else comes from, byte by byte.
    """
    state: dict[str, Tensor] = {}
    for stage in learnt:
        state |= _renamed(_checkpoint(workspace, stage), _LEARNT[stage])
    kept: dict[str, Tensor] = {}
    if before is not None:
        parts = tuple(f"{part}." for stage in learnt for part in _LEARNT[stage].values())
        stored = read_stored(before.codec_path, KIND)
        kept = {name: value for name, value in stored.items() if not name.startswith(parts)}
    path = workspace.file(f"{FOLDER}/codec.safetensors")
    save_checkpoint(path, state, KIND, quantize=is_quantised, kept=kept)


def keep_codec(workspace: Workspace, start: OwnFolder) -> None:
    """Take the codec of the model that a run goes on from, byte by byte."""
    _keep(start, workspace.file(f"{FOLDER}/codec.safetensors"))


def extend_codec(workspace: Workspace, start: OwnFolder) -> None:
    """Take the codec of the model that a run goes on from, with half of what its ear learnt.

    Half, as in `export_model`; where the ear had factors before, the mean of those and of these,
    which is near the mean of both ears while they are near each other.
    """
    updates = learnt_updates(_renamed(_checkpoint(workspace, "ear"), {"ear": EAR}))
    before = read_low_rank(start.codec_path, KIND)
    for name, (outer, inner) in updates.items():
        if name in before:
            was = balanced(*before[name][1:])
            pairs = zip(was, (outer, inner), strict=True)
            one, other = (torch.lerp(old, new, _LEARNT_SHARE) for old, new in pairs)
            updates[name] = one, other
        else:
            updates[name] = _LEARNT_SHARE * outer, inner
    path = workspace.file(f"{FOLDER}/codec.safetensors")
    add_low_rank(start.codec_path, path, KIND, updates)


def load_codec(workspace: Workspace) -> NanoCodec:
    """Read what one of the three above wrote, with the agent's encoder."""
    path = workspace.path / FOLDER / "codec.safetensors"
    return load_nano_codec(path, dataclasses.asdict(CODEC_SIZES), with_agent_encoder=True)


def export_model(
    workspace: Workspace, start: OwnFolder | None = None, *, has_learnt: bool = True
) -> Path:
    """Write the decoder and ``config.json`` beside the codec; return the folder.

    A decoder that went on from a model's is averaged with it: what a short run teaches is kept, and
    less of what it does not show is forgotten.

    Args:
        workspace: of the run.
        start: the model that the run goes on from; None: it began with nothing.
        has_learnt: whether the run has a decoder; it is the one of `start` otherwise.

    Source: Wortsman et al., Robust fine-tuning of zero-shot models, 2022 (the mean of weights).
    """
    codec = load_codec(workspace)
    sizes = decoder_sizes(codec, _as_tuple(agent_silence(codec)))
    folder = workspace.path / FOLDER
    path = folder / "decoder.safetensors"
    if start is not None and not has_learnt:
        _keep(start, path)
    else:
        weights = _checkpoint(workspace, "decoder")
        if start is not None:
            before = start.load_decoder().state_dict()
            weights = {k: torch.lerp(before[k], v, _LEARNT_SHARE) for k, v in weights.items()}
        save_checkpoint(path, weights, "decoder", quantize=is_quantised)
    files = ("codec.safetensors", "decoder.safetensors")
    document = {
        "format_version": FORMAT_VERSION,
        "name": NAME,
        "codec": dataclasses.asdict(codec.config),
        "decoder": dataclasses.asdict(sizes),
        "vocabulary": tokens(),
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files
        },
    }
    with whole_file(folder / "config.json") as partial:
        partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return folder


def folder_bytes(folder: Path) -> int:
    """What the weights of a model folder weigh."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _keep(start: OwnFolder, path: Path) -> None:
    with whole_file(path) as partial:
        shutil.copyfile(start.path / path.name, partial)


def _checkpoint(workspace: Workspace, name: str) -> dict[str, Tensor]:
    checkpoint = workspace.read_checkpoint(name)
    assert checkpoint is not None, f"stage {name} has not run"
    return dict(checkpoint["module"])


def _renamed(state: dict[str, Tensor], prefixes: dict[str, str]) -> dict[str, Tensor]:
    """The tensors below some modules, under other names."""
    return {
        f"{prefixes[head]}.{rest}": value
        for name, value in state.items()
        for head, _, rest in [name.partition(".")]
        if head in prefixes
    }


def _as_tuple(codes: NDArray[np.uint8]) -> tuple[int, ...]:
    return tuple(int(code) for code in codes)


def user_codebooks(codec: NanoCodec) -> Tensor:
    """Centroids of what the user says, f32 [K, V, D]."""
    return codec.semantic.quantizer.codebooks.detach().to(torch.float32)
