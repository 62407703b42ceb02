"""Sizes of a Moshi-type decoder: one frozen description for the embedded model and for Moshi.

Streams in order: text, predicted user text (optional), agent codebooks, user codebooks. A stream's
delay is in steps. A session's own sampling settings and anything about sound are not here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from voiceagent_codec.base import CodeSpace
from voiceagent_codec.fields import check_fields

from voiceagent.errors import ConfigError

#: Steps that `DecoderState.rollback` can go back.
ROLLBACK_STEPS = 12


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """One causal transformer.

    Attributes:
        width: D.
        layers: how many.
        heads: attention heads of width / heads each.
        hidden: width of the feed-forward part (of one branch, when gated).
        norm: "rms" or "layer".
        norm_eps: added to the variance.
        rope_base: of interleaved rotary positions; None for no positions.
        gated: SwiGLU; otherwise a plain GELU layer.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    norm: Literal["rms", "layer"] = "rms"
    norm_eps: float = 1e-8
    rope_base: float | None = 10_000.0
    gated: bool = True

    def __post_init__(self) -> None:
        check_fields(self)
        for field in ("width", "layers", "heads", "hidden"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be at least 1, not {getattr(self, field)}")
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of 2 * heads ({self.heads})")
        if not 0 < self.norm_eps < 1:
            raise ValueError(f"norm_eps must be above 0 and below 1, not {self.norm_eps}")
        if self.rope_base is not None and not self.rope_base > 1:
            raise ValueError(f"rope_base must be above 1 or null, not {self.rope_base}")

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DepthConfig:
    """The small transformer that runs once per agent codebook within a step.

    Attributes:
        transformer: its sizes; positions are the codebooks, so it usually has no rotary ones.
        weights_per_step: every linear layer has one weight per codebook (Moshi).
        input_bias: the projection from the temporal transformer has a bias.
        output_norm: normalise before the heads.
    """

    transformer: TransformerConfig
    weights_per_step: bool = True
    input_bias: bool = False
    output_norm: bool = False

    def __post_init__(self) -> None:
        check_fields(self)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """A full-duplex decoder. The defaults of `pad_id` and `epad_id` are Moshi's.

    Attributes:
        text_cardinality: size of the text heads' output.
        pad_id: text token of silence.
        epad_id: text token of the step before a word.
        initial_text: fed before the first text token.
        user_text: the model also predicts what the user said.
        agent: codes spoken.
        user: codes heard.
        agent_delays: per agent codebook.
        user_delays: per user codebook.
        initial_agent_codes: fed before the first codes, and always if not `feed_agent_codes`.
        initial_user_codes: fed before the first codes.
        feed_agent_codes: whether the model hears its own codes.
        context: steps that attention reaches back, the current one included.
        head_bias: the text heads have a bias.
        temporal: the transformer over steps.
        depth: the transformer over codebooks.
    """

    text_cardinality: int
    pad_id: int = 3
    epad_id: int = 0
    initial_text: int
    user_text: bool = False
    agent: CodeSpace
    user: CodeSpace
    agent_delays: tuple[int, ...]
    user_delays: tuple[int, ...]
    initial_agent_codes: tuple[int, ...]
    initial_user_codes: tuple[int, ...]
    feed_agent_codes: bool = True
    context: int
    head_bias: bool = False
    temporal: TransformerConfig
    depth: DepthConfig

    def __post_init__(self) -> None:
        check_fields(self)
        for name, space in (("agent", self.agent), ("user", self.user)):
            for field in (f"{name}_delays", f"initial_{name}_codes"):
                values = getattr(self, field)
                if len(values) != space.codebooks or min(values) < 0:
                    raise ValueError(f"{field} needs {space.codebooks} values >= 0, not {values}")
        for field in ("pad_id", "epad_id"):
            if not 0 <= getattr(self, field) < self.text_cardinality:
                raise ValueError(f"{field} is outside the {self.text_cardinality} text tokens")
        if self.initial_text < 0:
            raise ValueError(f"initial_text must be >= 0, not {self.initial_text}")
        if self.context < 1:
            raise ValueError(f"context must be at least 1 step, not {self.context}")

    @property
    def text_streams(self) -> int:
        """Text streams at the front: one, or two with the user's."""
        return 1 + self.user_text

    @property
    def delays(self) -> tuple[int, ...]:
        """Delay of every stream, in stream order."""
        return (0,) * self.text_streams + self.agent_delays + self.user_delays

    @property
    def initial_tokens(self) -> tuple[int, ...]:
        """What every stream is fed before its first token."""
        text = (self.initial_text,) * self.text_streams
        return text + self.initial_agent_codes + self.initial_user_codes

    @property
    def output_delay(self) -> int:
        """Steps by which an aligned output frame trails the newest text token."""
        return max(self.agent_delays)

    @property
    def text_rows(self) -> int:
        """Rows of a text embedding: the tokens and the initial id."""
        return max(self.text_cardinality, self.initial_text + 1)

    @property
    def agent_rows(self) -> int:
        """Rows of an agent codebook's embedding."""
        return max(self.agent.cardinality, max(self.initial_agent_codes) + 1)

    @property
    def user_rows(self) -> int:
        """Rows of a user codebook's embedding."""
        return max(self.user.cardinality, max(self.initial_user_codes) + 1)

    @property
    def ring_steps(self) -> int:
        """Places in the key ring: the context and room to go back."""
        return self.context + ROLLBACK_STEPS

    @property
    def token_steps(self) -> int:
        """Places in the token ring."""
        return max(self.delays) + 2 + ROLLBACK_STEPS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SamplingDefaults:
    """How a model's tokens are best chosen; temperature 0 takes the likeliest.

    Attributes:
        text_temperature: of the text stream.
        text_top_k: candidates kept, 0 for all.
        code_temperature: of the agent's codes.
        code_top_k: candidates kept, 0 for all.
    """

    text_temperature: float = 0.0
    text_top_k: int = 25
    code_temperature: float = 0.0
    code_top_k: int = 250

    def __post_init__(self) -> None:
        check_fields(self)
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name} must be >= 0, not {getattr(self, field.name)}")


def decoder_config(values: Mapping[str, Any], origin: str) -> DecoderConfig:
    """Read a decoder's sizes from parsed JSON.

    Args:
        values: the fields of `DecoderConfig`, nested.
        origin: named in errors, usually the file.

    Raises:
        ConfigError: a field is missing, unknown or out of range.
    """
    try:
        fields = dict(values)
        for name in ("agent", "user"):
            fields[name] = CodeSpace(**fields[name])
        depth = dict(fields["depth"])
        depth["transformer"] = TransformerConfig(**depth["transformer"])
        fields["depth"] = DepthConfig(**depth)
        fields["temporal"] = TransformerConfig(**fields["temporal"])
        lists = {key: tuple(item) for key, item in fields.items() if isinstance(item, list)}
        return DecoderConfig(**{**fields, **lists})
    except KeyError as error:
        raise ConfigError(f"{origin}: decoder.{error.args[0]} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{origin}: decoder: {error}") from error
