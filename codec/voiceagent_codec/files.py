"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file under a name of its own first; it takes its place only when the block succeeds.

    Args:
        path: the file; replaced if it exists, untouched if anything fails.

    Yields:
        Where to write, in the same folder.

    Raises:
        OSError: the name or the folder cannot be used.
    """
    if path.name in ("", ".", "..") or path.is_dir():
        raise IsADirectoryError(f"{path} is a folder")
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
