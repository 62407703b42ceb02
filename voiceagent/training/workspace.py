"""The folder of a training run: data in shards, checkpoints, what was measured.

Everything is written whole or not at all, so a run that was interrupted goes on where its last
whole file ends. `run.json` says what the run is; another budget, seed or version is another run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from voiceagent_codec.files import whole_file

from voiceagent.errors import ConfigError, TrainingError

_VERSION = 2

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths and files of one run; next: `open_workspace`."""

    path: Path

    def file(self, name: str) -> Path:
        """A file of the run, its folder made."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a shard ``<name>.npz``.

        Raises:
            TrainingError: the disk is full or the folder cannot be written.
        """
        with self._written(f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def read_arrays(self, name: str) -> Arrays:
        """Read a shard that `write_arrays` wrote."""
        with np.load(self.path / f"{name}.npz", allow_pickle=False) as file:
            return dict(file)

    def shards(self, folder: str) -> list[str]:
        """Names of the shards in a folder of the run, in order."""
        return [f"{folder}/{path.stem}" for path in sorted((self.path / folder).glob("*.npz"))]

    def write_json(self, name: str, document: object) -> None:
        """Write ``<name>.json``; raises like `write_arrays`."""
        with self._written(f"{name}.json") as partial:
            partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    def read_json(self, name: str, default: Any = None) -> Any:
        """Read ``<name>.json``, or return the default where there is none."""
        path = self.path / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default

    def write_checkpoint(self, name: str, checkpoint: Mapping[str, Any]) -> None:
        """Write ``<name>.ckpt``: weights and optimiser of a stage; raises like `write_arrays`."""
        with self._written(f"{name}.ckpt") as partial:
            torch.save(dict(checkpoint), partial)

    def read_checkpoint(self, name: str) -> dict[str, Any] | None:
        """Read ``<name>.ckpt``; None where there is none."""
        path = self.path / f"{name}.ckpt"
        if not path.exists():
            return None
        return dict(torch.load(path, map_location="cpu", weights_only=True))

    @contextmanager
    def _written(self, name: str) -> Iterator[Path]:
        """`whole_file` with the errors of a full or closed disk named."""
        path = self.file(name)
        try:
            with whole_file(path) as partial:
                yield partial
        except (OSError, RuntimeError) as fault:  # torch.save reports a full disk as RuntimeError
            raise TrainingError(
                f"{path}: cannot be written ({fault}); free some space and run the same command "
                "again: it goes on from the last whole file"
            ) from fault


def open_workspace(path: Path, settings: Mapping[str, object]) -> Workspace:
    """Begin a run in a folder, or go on with the one that is there.

    Args:
        path: the folder; made where it is missing.
        settings: what makes the run what it is.

    Raises:
        ConfigError: the folder holds something else, or a run with other settings.
    """
    workspace = Workspace(path)
    wanted = {"version": _VERSION, **settings}
    found = workspace.read_json("run")
    if found is None:
        if path.exists() and any(path.iterdir()):
            raise ConfigError(f"{path}: holds files that are no training run; name another --out")
        workspace.write_json("run", wanted)
    elif found != wanted:
        changed = {key for key in {*found, *wanted} if found.get(key) != wanted.get(key)}
        was = ", ".join(f"{key} {found.get(key)}" for key in sorted(changed))
        raise ConfigError(
            f"{path}: is another training run ({was}); give the same options, or another --out"
        )
    return workspace


def read_shards(workspace: Workspace, folder: str) -> Iterator[Arrays]:
    """Every shard of a folder, in order."""
    return (workspace.read_arrays(name) for name in workspace.shards(folder))
