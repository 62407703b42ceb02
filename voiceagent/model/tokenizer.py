"""Text tokens <-> words. The embedded model has a closed vocabulary of whole words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from voiceagent.errors import ConfigError


class Tokenizer(Protocol):
    """What the engine needs of a tokenizer."""

    def piece(self, token: int) -> str | None:
        """Text of one token as it is to be joined, or None for one that is not spoken."""
        ...

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, for prompts."""
        ...


class WordTokenizer:
    """A list of words; names in angle brackets are special and never spoken, save <unk>."""

    def __init__(self, words: Sequence[str]) -> None:
        if len(set(words)) != len(words) or not all(words):
            raise ConfigError("vocabulary: words must be unique and not empty")
        self.words = tuple(words)
        self._ids = {word: index for index, word in enumerate(words)}

    def piece(self, token: int) -> str | None:
        """See `Tokenizer`; a word comes with its leading space."""
        if not 0 <= token < len(self.words):
            return None
        word = self.words[token]
        is_special = word.startswith("<") and word != "<unk>"
        return None if is_special else f" {word}"

    def encode(self, text: str) -> list[int]:
        """Ids of space-separated words; a word outside the vocabulary becomes <unk>."""
        unknown = self._ids.get("<unk>", -1)
        return [self._ids.get(word, unknown) for word in text.lower().split()]
