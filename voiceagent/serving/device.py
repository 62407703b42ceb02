"""Where the model runs."""

from __future__ import annotations

import torch

from voiceagent.errors import ConfigError


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


def use_threads(count: int) -> None:
    """Set the number of CPU threads of the step, for the whole process.

    One is best for the embedded model: two threads gain little alone and collapse when another
    process holds a core.
    """
    torch.set_num_threads(count)
