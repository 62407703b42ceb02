"""The sizes of a Mimi codec. The defaults are those of the one published checkpoint."""

from __future__ import annotations

import dataclasses
import math

from voiceagent_codec.base import CodecSpec, CodeSpace
from voiceagent_codec.fields import check_fields

#: Rows of the transformers per frame: the learnt resampling between 25 and 12.5 Hz.
ROWS_PER_FRAME = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MimiConfig:
    """Sizes of a `MimiCodec`.

    Attributes:
        codebooks: how many of the checkpoint's are used, the semantic one included; Moshi uses 8
            of 32.
        filters: channels beside the waveform; each stride doubles them.
        strides: of the encoder, from the waveform on; the decoder undoes them in reverse.
        width: of the latents and of both transformers.
        context: rows that attention sees, the newest included; see `transformer`.
    """

    codebooks: int = 8
    cardinality: int = 2048
    code_width: int = 256
    sample_rate_hz: int = 24_000
    filters: int = 64
    strides: tuple[int, ...] = (4, 5, 6, 8)
    width: int = 512
    heads: int = 8
    layers: int = 8
    hidden: int = 2048
    context: int = 250
    rope_base: float = 10_000.0

    def __post_init__(self) -> None:
        check_fields(self)
        for field in ("code_width", "filters", "width", "heads", "layers", "hidden", "rope_base"):
            if getattr(self, field) <= 0:
                raise ValueError(f"{field} must be positive, not {getattr(self, field)}")
        if not self.strides or min(self.strides) < 1:
            raise ValueError(f"strides must be positive, not {self.strides}")
        if self.codebooks < 2:
            raise ValueError(f"codebooks must be at least 2, not {self.codebooks}")
        if self.context < ROWS_PER_FRAME:
            raise ValueError(f"context must be at least {ROWS_PER_FRAME}, not {self.context}")
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is no even number for each of {self.heads} heads")
        if self.filters % 2:
            raise ValueError(f"filters must be even, not {self.filters}")

    @property
    def frame_samples(self) -> int:
        """Samples per frame: 1920 as published."""
        return ROWS_PER_FRAME * math.prod(self.strides)

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    @property
    def spec(self) -> CodecSpec:
        """What a caller sees of these sizes: user and agent share one code space."""
        space = CodeSpace(self.codebooks, self.cardinality)
        return CodecSpec(
            sample_rate_hz=self.sample_rate_hz,
            frame_samples=self.frame_samples,
            user=space,
            agent=space,
            is_invertible=True,
        )
