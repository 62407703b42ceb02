"""Text tokens <-> text: whole words for the embedded model, SentencePiece for Moshi's family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import sentencepiece

from voiceagent.errors import ConfigError


class Tokenizer(Protocol):
    """What the engine needs of a tokenizer."""

    def piece(self, token: int) -> str | None:
        """Text of one token as it is to be joined, or None for one that is not spoken."""
        ...

    def token(self, piece: str) -> int | None:
        """The token that is exactly this, special ones such as "<time>" included, or None."""
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

    def token(self, piece: str) -> int | None:
        """See `Tokenizer`."""
        return self._ids.get(piece)

    def encode(self, text: str) -> list[int]:
        """Ids of space-separated words; a word outside the vocabulary becomes <unk>."""
        unknown = self._ids.get("<unk>", -1)
        return [self._ids.get(word, unknown) for word in text.lower().split()]


class PieceTokenizer:
    """A SentencePiece model.

    Source of what is silent: `moshi/server.py` of kyutai-labs/moshi 0.2.13, which sends every piece
    but 0 (the step before a word) and 3 (silence), U+2581 as a space.
    """

    SILENT = (0, 3)

    def __init__(self, path: Path, size: int) -> None:
        """Read a model.

        Args:
            path: the `.model` file.
            size: text tokens that the decoder knows.

        Raises:
            ConfigError: it is missing, no SentencePiece model, or of another size.
        """
        if not path.is_file():
            raise ConfigError(f"{path}: no such file; it is the text tokenizer of this model")
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as error:
            raise ConfigError(f"{path}: not a SentencePiece model") from error
        found = self._pieces.vocab_size()
        if found != size:
            raise ConfigError(
                f"{path}: has {found} pieces, the decoder {size} text tokens: "
                "this is the tokenizer of another model"
            )

    def piece(self, token: int) -> str | None:
        """See `Tokenizer`; control pieces such as <s> are silent too."""
        if token in self.SILENT or not 0 <= token < self._pieces.vocab_size():
            return None
        if self._pieces.is_control(token):
            return None
        return str(self._pieces.id_to_piece(token)).replace("\u2581", " ")

    def token(self, piece: str) -> int | None:
        """See `Tokenizer`."""
        token = int(self._pieces.piece_to_id(piece))
        return None if self._pieces.is_unknown(token) else token

    def encode(self, text: str) -> list[int]:
        """See `Tokenizer`."""
        return list(map(int, self._pieces.encode(text)))
