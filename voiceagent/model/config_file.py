"""A JSON object on disk, with one error for all that can be wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from voiceagent.errors import ConfigError


def read_json(file: Path, hint: str = "") -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        file: its path.
        hint: what to do about a file that cannot be opened.

    Raises:
        ConfigError: it cannot be opened, is no JSON, or no object.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}{hint and '; ' + hint}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not JSON ({error})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: must hold an object")
    return values
