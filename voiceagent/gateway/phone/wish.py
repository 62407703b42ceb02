"""What whoever dispatched a job asks of the agent: its metadata, as JSON."""

from __future__ import annotations

import json
import logging

from voiceagent.serving.config import SessionOptions

MAX_METADATA_CHARS = 16_384
_FIELDS = ("role", "voice", "policy")

_log = logging.getLogger(__name__)


def read_wish(metadata: str, defaults: SessionOptions) -> SessionOptions:
    """Options of a session from ``{"role": ..., "voice": ..., "policy": ...}``, each optional.

    What cannot be used is named in one line of the log, and the defaults hold.

    Args:
        metadata: of the job; empty for nothing.
        defaults: role and voice where it asks for none.
    """
    if not metadata.strip():
        return defaults
    try:
        wish = _parse(metadata)
        return SessionOptions(
            role=wish.get("role") or defaults.role,
            voice=wish.get("voice") or defaults.voice,
            policy=wish.get("policy", ""),
        )
    except ValueError as error:
        _log.warning("a job's metadata is not used: %s", error)
        return defaults


def _parse(metadata: str) -> dict[str, str]:
    if len(metadata) > MAX_METADATA_CHARS:
        raise ValueError(f"it is longer than {MAX_METADATA_CHARS} characters")
    try:
        wish = json.loads(metadata)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is no JSON") from error
    if not isinstance(wish, dict):
        raise ValueError("it is no JSON object")
    if unknown := sorted(set(wish) - set(_FIELDS)):
        raise ValueError(f"it has {unknown[0][:40]!r}; there are {', '.join(_FIELDS)}")
    for field in wish:
        if not isinstance(wish[field], str):
            raise ValueError(f"{field} is no text")
    return wish
