"""Where the model runs, and in what it computes there."""

from __future__ import annotations

from typing import Any

import torch
from voiceagent_codec.base import Codec
from voiceagent_kernels.reference.int8_linear import int8_is_fast

from voiceagent.errors import ConfigError
from voiceagent.model.folder import ModelFolder


def find_device(name: str) -> torch.device:
    """The device of this name; "auto" is CUDA where there is one.

    Raises:
        ConfigError: this machine or this PyTorch has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name}: this machine shows {torch.cuda.device_count()} CUDA devices to "
            "PyTorch; take --device cpu, or see what nvidia-smi says"
        )
    return device


def load_codec(folder: ModelFolder, device: torch.device) -> Codec[Any]:
    """A model's codec as it serves: on a CPU with VNNI partly in 8 bits.

    Raises:
        ConfigError: its config cannot be used.
        WeightsError: the weights do not fit.
    """
    codec = folder.load_codec(device)
    if device.type == "cpu" and int8_is_fast():
        codec.use_int8()
    return codec


def use_threads(count: int) -> None:
    """Set the number of CPU threads of the step, for the whole process.

    One is best for the embedded model: two threads gain little alone and collapse when another
    process holds a core.
    """
    torch.set_num_threads(count)
