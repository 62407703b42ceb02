"""What the engine needs of a model on disk, whatever made it.

`voiceagent.model.checkpoint.open_model` finds a folder and returns one of these. Configs are read
and checked when a folder is opened; weights only by the two loaders. Not here: any file format.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from voiceagent_codec.base import Codec

from voiceagent.model.config import DecoderConfig, SamplingDefaults
from voiceagent.model.decoder import Decoder
from voiceagent.model.roofline import CodecCost
from voiceagent.model.tokenizer import Tokenizer


class ModelFolder(Protocol):
    """A model whose config has been read. Next: `load_codec`, `load_decoder`, `tokenizer`."""

    @property
    def path(self) -> Path:
        """Where its files are."""
        ...

    @property
    def name(self) -> str:
        """What it is called, for people."""
        ...

    @property
    def decoder(self) -> DecoderConfig:
        """The decoder's sizes, known before any weight is read."""
        ...

    @property
    def sampling(self) -> SamplingDefaults:
        """How its tokens are chosen unless a session asks for something else."""
        ...

    @property
    def is_promptable(self) -> bool:
        """Whether it was trained to take a role and a voice before a conversation."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What its decoder computes in unless told otherwise."""
        ...

    @property
    def codec_cost(self) -> CodecCost:
        """What its codec adds to a step, for the roofline."""
        ...

    def load_codec(
        self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Codec[Any]:
        """Read the codec.

        Raises:
            ConfigError: it cannot be made, or does not fit the decoder's streams.
            WeightsError: its weights do not fit.
        """
        ...

    def load_decoder(
        self,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        *,
        adapter: Path | None = None,
    ) -> Decoder:
        """Read the decoder straight to a device, with at most one tensor of it held twice.

        Args:
            device: where it will run.
            dtype: what to compute in; None is `dtype` of the folder.
            adapter: a folder with a LoRA or DoRA adapter, merged into the weights.

        Raises:
            ConfigError: there is not enough memory, said before anything is read, or the adapter
                cannot be used.
            WeightsError: a tensor is missing, unknown or of another shape.
        """
        ...

    def tokenizer(self) -> Tokenizer:
        """The pieces of the text streams.

        Raises:
            ConfigError: it is missing, or not the tokenizer of this model.
        """
        ...
