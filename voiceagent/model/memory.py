"""Whether something fits into a device's memory, asked before it is put there."""

from __future__ import annotations

from pathlib import Path

import torch

from voiceagent.errors import ConfigError

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def available_bytes(device: torch.device | str) -> int | None:
    """Memory that could be taken now; None where the system does not say."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    found = [
        size for size in (_meminfo_bytes(_MEMINFO), _cgroup_bytes(_CGROUP)) if size is not None
    ]
    return min(found, default=None)


def require_memory(what: str, needed_bytes: int, device: torch.device | str) -> None:
    """Raise ConfigError, with both numbers, unless this much memory can be taken."""
    available = available_bytes(device)
    if available is not None and needed_bytes > available:
        raise ConfigError(
            f"{what} needs {gib(needed_bytes)} on {device}, where {gib(available)} are available "
            f"({needed_bytes} and {available} bytes)"
        )


def gib(size: int) -> str:
    """A size for people."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**29 else f"{size / 2**20:.1f} MiB"


def _meminfo_bytes(file: Path) -> int | None:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    values = (line.split() for line in lines if line.startswith("MemAvailable:"))
    return next((int(words[1]) * 1024 for words in values), None)


def _cgroup_bytes(folder: Path) -> int | None:
    """What the container may still take, its page cache counted as free."""
    try:
        limit = int((folder / "memory.max").read_text(encoding="ascii"))
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    cache = sum(int(line.split()[1]) for line in lines if line.split()[0] == "inactive_file")
    return limit - used + cache
