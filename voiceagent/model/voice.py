"""A voice as the decoder takes it: the codes of its sound, or a published voice's embeddings.

PersonaPlex publishes its voices as what its model was fed for every frame of a recording, summed
over the streams (`embeddings`), and the tokens that were left in its ring (`cache`). Such a file is
a pickle: it is opened once, on the operator's own command, for tensors only, and kept as
safetensors. Embeddings cannot be turned back into codes, so they fit one model only.

Source: NVIDIA/personaplex 3428dfd, moshi/models/lm.py: with V frames of voice, V - 1 embeddings are
kept (call 0 runs no model), and a ring of ``max_delay + 3`` positions, position p at p mod its
length, whose newest is V, where the last frame's delayed codes wait.
"""

from __future__ import annotations

import dataclasses
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.files import whole_file
from voiceagent_codec.weights import open_safetensors

from voiceagent.errors import PromptRefused, VoiceError
from voiceagent.model.config import DecoderConfig

KIND = "voice"
#: Mimi's codes a side, and their acoustic delay: what published voices are made of.
CODEBOOKS, DELAY = 8, 1
#: No voice takes more: 80 s.
MAX_FRAMES = 1000
#: What torch raises at a file that holds more than tensors, or less.
_UNREADABLE = (pickle.UnpicklingError, RuntimeError, OSError, EOFError, LookupError, ValueError)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """How an agent shall sound.

    Attributes:
        codes: i64 [F, K], of its last frames; all of them where there are no embeddings.
        embeddings: f32 [E, D], the decoder's summed inputs of all frames but the last; or [0, 0].
    """

    codes: Tensor
    embeddings: Tensor

    @classmethod
    def of_codes(cls, codes: Tensor) -> Voice:
        """A voice that any model of these codes can take: i64 [F, K]."""
        return cls(codes, torch.zeros(0, 0))

    @property
    def frames(self) -> int:
        """Steps that it takes."""
        return len(self.embeddings) + 1 if len(self.embeddings) else len(self.codes)

    def check(self, config: DecoderConfig) -> None:
        """Raise PromptRefused unless this decoder can take it."""
        space, width = config.agent, config.temporal.width
        if self.codes.shape[1] != space.codebooks or int(self.codes.max()) >= space.cardinality:
            raise PromptRefused(f"the voice has codes that are none of this model's ({space})")
        if len(self.embeddings) and self.embeddings.shape[1] != width:
            raise PromptRefused(
                f"the voice was published for a model of width {self.embeddings.shape[1]}, "
                f"this one has {width}: register its recording instead"
            )


def read_published(path: Path) -> Voice:
    """A voice from PersonaPlex's archive: a `.pt` file, of which nothing but tensors is read.

    Raises:
        VoiceError: missing, another kind of file, or not in the published layout.
    """
    if not path.is_file():
        raise VoiceError(f"{path}: no such file")
    try:
        if not zipfile.is_zipfile(path):
            raise pickle.UnpicklingError("it is no archive of torch.save")
        values = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise VoiceError(
            f"{path}: not a file of plain tensors, so it is not opened ({_first_line(error)})"
        ) from error
    try:
        return _published(values)
    except (KeyError, TypeError, ValueError) as error:
        raise VoiceError(
            f"{path}: not a voice as PersonaPlex publishes them ({_first_line(error)})"
        ) from error


def write_voice(path: Path, voice: Voice) -> None:
    """Write whole or not at all.

    Raises:
        OSError: the folder is missing or cannot be written.
    """
    tensors = {
        "codes": voice.codes.to(torch.int16).contiguous(),
        "embeddings": voice.embeddings.contiguous(),
    }
    with whole_file(path) as partial:
        save_file(tensors, partial, metadata={"kind": KIND})


def read_voice(path: Path) -> Voice:
    """What `write_voice` wrote.

    Raises:
        VoiceError: missing, damaged or foreign.
    """
    try:
        with open_safetensors(path) as file:
            if (file.metadata() or {}).get("kind") != KIND:
                raise VoiceError(
                    f"{path}: holds no voice; 'voiceagent voices add' makes such files"
                )
            codes, embeddings = file.get_tensor("codes"), file.get_tensor("embeddings")
    except WeightsError as error:
        raise VoiceError(str(error)) from error
    if codes.dim() != 2 or not codes.numel() or embeddings.dim() != 2 or int(codes.min()) < 0:
        raise VoiceError(f"{path}: damaged; register the voice again")
    return Voice(codes.to(torch.int64), embeddings.float())


def _published(values: Any) -> Voice:
    embeddings, ring = values["embeddings"], values["cache"]
    if not isinstance(embeddings, Tensor) or not isinstance(ring, Tensor):
        raise TypeError("embeddings and cache must be tensors")
    shape, length = list(embeddings.shape), DELAY + 3
    if len(shape) < 2 or any(size != 1 for size in shape[1:-1]) or not 0 < shape[0] < MAX_FRAMES:
        raise ValueError(f"embeddings are {shape}, not [frames, 1, 1, width]")
    embeddings = embeddings.float().reshape(shape[0], shape[-1])
    if not bool(embeddings.isfinite().all()):
        raise ValueError("embeddings are not finite")
    if tuple(ring.shape) != (1, 1 + 2 * CODEBOOKS, length):
        raise ValueError(f"cache is {list(ring.shape)}, not [1, {1 + 2 * CODEBOOKS}, {length}]")
    newest = len(embeddings) + 1  # position of the last frame's delayed codes
    frames = []
    for frame in (newest - 2, newest - 1):
        delayed = ring[0, 2 : 1 + CODEBOOKS, (frame + DELAY) % length]
        frames.append(torch.cat((ring[0, 1:2, frame % length], delayed)))
    codes = torch.stack(frames).to(torch.int64)
    if int(codes.min()) < 0:
        raise ValueError("cache lacks codes of the last frames")
    return Voice(codes, embeddings)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200] or type(error).__name__
