"""Where a model's files are: a folder on this machine, or a repository of the Hugging Face hub.

Hub repositories go through `huggingface_hub` and its cache, when that package is installed. Not
here: what the files mean.
"""

from __future__ import annotations

import re
from pathlib import Path

from voiceagent.errors import ConfigError

#: What is fetched of a repository; archives of voices and of web pages stay where they are.
PATTERNS = ("*.json", "*.safetensors", "*.model")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

_BY_HAND = (
    "put config.json (if it has one), model.safetensors, tokenizer-e351c8d8-checkpoint125"
    ".safetensors and tokenizer_spm_32k_3.model into a folder, and give that folder"
)


def is_hub_id(model: str) -> bool:
    """Whether a name reads as ORG/NAME."""
    return _HUB_ID.fullmatch(model) is not None


def fetch_repository(hub_id: str) -> Path:
    """Bring a repository's files into the hub's cache and say where they are.

    Files that are there already are not fetched again; without a network they are all there is.

    Args:
        hub_id: ORG/NAME.

    Raises:
        ConfigError: `huggingface_hub` is missing, or the repository is neither cached nor within
            reach; says what to put where.
    """
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise ConfigError(
            f"{hub_id}: hub ids need the huggingface_hub package (pip install huggingface_hub); "
            f"or {_BY_HAND}"
        ) from error
    try:
        return Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=list(PATTERNS)))
    except errors.GatedRepoError as error:
        raise ConfigError(
            f"{hub_id}: its licence must be accepted on https://huggingface.co/{hub_id} first, "
            f"then log in with 'hf auth login'; or {_BY_HAND}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ConfigError(f"{hub_id}: the hub has no such repository, or hides it") from error
    except OSError as error:  # what that package raises when offline, cut off or out of disk
        raise ConfigError(
            f"{hub_id}: not in the local cache, and the hub cannot be used "
            f"({type(error).__name__}); {_BY_HAND}"
        ) from error
