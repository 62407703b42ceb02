"""The text tokens of the embedded model: silence, the start signal, requests, words."""

from __future__ import annotations

import functools

from voiceagent.scenes.domain import REQUESTS, vocabulary

PAD, EPAD = 0, 1
UNKNOWN_WORD = "<unk>"


@functools.cache
def tokens() -> tuple[str, ...]:
    """Return every token in order; a capital is the name of a letter."""
    return ("<pad>", "<epad>", *REQUESTS.values(), *vocabulary(), UNKNOWN_WORD)


def token_id(token: str) -> int:
    """Return the place of a token; of a word outside the vocabulary that of `UNKNOWN_WORD`."""
    return _ids().get(token, len(tokens()) - 1)


@functools.cache
def _ids() -> dict[str, int]:
    return {token: index for index, token in enumerate(tokens())}
