"""`config.json` of a Moshi-family repository -> this project's sizes.

The file is flat: the arguments of the reference's `LMModel` beside keys about other files. Only
what `Decoder` computes exactly is let through; any other key or value is an error that names it.
Source: `CheckpointInfo.from_hf_repo` and `_lm_kwargs` of kyutai-labs/moshi 0.2.13
(`moshi/models/loaders.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from voiceagent_codec.base import CodeSpace
from voiceagent_codec.fields import check_fields

from voiceagent.errors import ConfigError
from voiceagent.model.config import (
    DecoderConfig,
    DepthConfig,
    SamplingDefaults,
    TransformerConfig,
)

#: Sizes of Moshi 7B, for repositories that say nothing: Moshiko, Moshika, PersonaPlex.
MOSHI_7B: dict[str, Any] = {
    "dim": 4096,
    "text_card": 32000,
    "n_q": 16,
    "dep_q": 8,
    "card": 2048,
    "num_heads": 32,
    "num_layers": 32,
    "hidden_scale": 4.125,
    "context": 3000,
    "max_period": 10_000,
    "depformer_dim": 1024,
    "depformer_dim_feedforward": 4224,
    "depformer_num_heads": 16,
    "depformer_num_layers": 6,
    "delays": [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1],
}
#: What the decoder does not do in any other way: the value, and the reference's own default.
_FIXED: dict[str, tuple[Any, Any]] = {
    "causal": (True, True),
    "norm": ("rms_norm_f32", "layer_norm"),
    "gating": ("silu", "none"),
    "positional_embedding": ("rope", "sin"),
    "depformer_multi_linear": (True, False),
    "depformer_weights_per_step": (True, False),
    "depformer_gating": ("silu", "silu"),
    "depformer_pos_emb": ("none", "sin"),
    "layer_scale": (None, None),
    "depformer_layer_scale": (None, None),
    "depformer_norm": (None, None),
    "depformer_weights_per_step_schedule": (None, None),
    "depformer_low_rank_embeddings": (None, None),
    "text_card_out": (None, None),
    "norm_emb": (False, False),
    "bias_proj": (False, False),
    "demux_second_stream": (False, False),
    "demux_second_text_stream": (False, False),
    "cross_attention": (False, False),
    "extra_heads_num_heads": (0, 0),
    "kv_repeat": (1, 1),
}
#: Without meaning here: defaults of training, what the reference itself drops, where it came from.
_IGNORED = {
    *("depformer_causal", "depformer_context", "depformer_max_period", "extra_heads_dim"),
    *("gradient_checkpointing", "quantize", "model_id", "stt_config", "tts_config", "fuser"),
    *("lora", "version", "architectures", "torch_dtype", "dtype", "transformers_version"),
    *("_name_or_path", "library_name", "license"),
}
_OPTIONAL = {
    *("existing_text_padding_id", "existing_text_end_padding_id", "conditioners"),
    *("moshi_name", "mimi_name", "tokenizer_name", "lora_name", "lora_rank", "lora_scaling"),
    *("model_type", "lm_gen_config", "mimi_config_name"),
}
_SAMPLING = {
    "temp_text": "text_temperature",
    "top_k_text": "text_top_k",
    "temp": "code_temperature",
    "top_k": "code_top_k",
}
_MOSHI_SAMPLING = {
    "text_temperature": 0.7,
    "text_top_k": 25,
    "code_temperature": 0.8,
    "code_top_k": 250,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MoshiConfig:
    """What a repository's `config.json` says, checked.

    Attributes:
        decoder: sizes; the agent's codebooks only, whatever more the depth transformer predicts.
        sampling: of `lm_gen_config`, or the reference's own defaults.
        predicts_user: the depth transformer goes on to the user's codebooks (PersonaPlex).
        model_type: "moshi" or "personaplex".
        weights: file of the decoder; `codec` and `tokenizer` likewise.
        codec_sizes: file of the codec's sizes, or None for the published ones.
        adapter: file of LoRA weights that belong to the model, or None.
        adapter_rank: their rank; `adapter_scaling` is their factor.
    """

    decoder: DecoderConfig
    sampling: SamplingDefaults
    predicts_user: bool
    model_type: str = "moshi"
    weights: str = "model.safetensors"
    codec: str = "tokenizer-e351c8d8-checkpoint125.safetensors"
    tokenizer: str = "tokenizer_spm_32k_3.model"
    codec_sizes: str | None = None
    adapter: str | None = None
    adapter_rank: int = 128
    adapter_scaling: float = 2.0

    def __post_init__(self) -> None:
        check_fields(self)


def moshi_config(values: Mapping[str, Any] | None, origin: str) -> MoshiConfig:
    """Read a repository's config.

    Args:
        values: parsed `config.json`; None where there is none, which means Moshi 7B.
        origin: named in errors, usually the file.

    Raises:
        ConfigError: a key is missing, not known, or has a value that this decoder does not compute.
    """
    values = values or {}
    _check_keys(values, origin)
    is_sized = any(key in values for key in MOSHI_7B)
    sizes = values if is_sized else MOSHI_7B
    for key in MOSHI_7B:
        if key not in sizes and key != "depformer_dim_feedforward":
            raise ConfigError(f"{origin}: '{key}' is missing")
    names = {
        ours: values[theirs]
        for ours, theirs in (
            ("weights", "moshi_name"),
            ("codec", "mimi_name"),
            ("tokenizer", "tokenizer_name"),
            ("codec_sizes", "mimi_config_name"),
            ("adapter", "lora_name"),
            ("adapter_rank", "lora_rank"),
            ("adapter_scaling", "lora_scaling"),
            ("model_type", "model_type"),
        )
        if theirs in values
    }
    try:
        return MoshiConfig(
            decoder=_decoder({**values, **sizes}),
            sampling=_sampling(values.get("lm_gen_config") or {}),
            predicts_user=sizes["dep_q"] == sizes["n_q"],
            **names,
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{origin}: {error}") from error


def _check_keys(values: Mapping[str, Any], origin: str) -> None:
    known = MOSHI_7B.keys() | _FIXED.keys() | _IGNORED | _OPTIONAL
    is_sized = any(key in values for key in MOSHI_7B)
    for key in values:
        if key not in known:
            raise ConfigError(f"{origin}: '{key}' is not known; this model cannot be computed")
    for key, (needed, default) in _FIXED.items():
        found = values.get(key, default if is_sized else needed)
        if found != needed:
            raise ConfigError(f"{origin}: '{key}' is {found!r}; only {needed!r} is computed here")
    if values.get("conditioners"):
        raise ConfigError(
            f"{origin}: 'conditioners' are not computed here: {sorted(values['conditioners'])}"
        )
    kind = values.get("model_type", "moshi")
    if kind not in ("moshi", "personaplex"):
        raise ConfigError(f"{origin}: 'model_type' is {kind!r}; only conversation models run here")


def _decoder(values: Mapping[str, Any]) -> DecoderConfig:
    width, depth_width = values["dim"], values["depformer_dim"]
    depth_wide = values.get("depformer_dim_feedforward")
    if depth_wide is None:
        depth_wide = int(values["hidden_scale"] * depth_width)
    if not isinstance(depth_wide, int):
        raise ValueError("'depformer_dim_feedforward' must be one number")
    agent, user = _sides(values)
    delays = tuple(values["delays"])
    if len(delays) != 1 + values["n_q"] or delays[0] != 0:
        raise ValueError(f"'delays' needs 1 + n_q values, the first 0, not {list(delays)}")
    card = values["card"]
    return DecoderConfig(
        text_cardinality=values["text_card"],
        pad_id=values.get("existing_text_padding_id", 3),
        epad_id=values.get("existing_text_end_padding_id", 0),
        initial_text=values["text_card"],
        agent=CodeSpace(agent, card),
        user=CodeSpace(user, card),
        agent_delays=delays[1 : 1 + agent],
        user_delays=delays[-user:],
        initial_agent_codes=(card,) * agent,
        initial_user_codes=(card,) * user,
        context=values["context"],
        temporal=TransformerConfig(
            width=width,
            layers=values["num_layers"],
            heads=values["num_heads"],
            hidden=_gate_width(width, int(values["hidden_scale"] * width)),
            rope_base=float(values["max_period"]),
        ),
        depth=DepthConfig(
            transformer=TransformerConfig(
                width=depth_width,
                layers=values["depformer_num_layers"],
                heads=values["depformer_num_heads"],
                hidden=_gate_width(depth_width, depth_wide),
                rope_base=None,
            )
        ),
    )


def _sides(values: Mapping[str, Any]) -> tuple[int, int]:
    """Codebooks of the agent and of the user."""
    inputs, predicted = values["n_q"], values["dep_q"]
    if predicted == inputs and inputs % 2 == 0 and inputs:
        return inputs // 2, inputs // 2
    if 0 < predicted < inputs:
        return predicted, inputs - predicted
    raise ValueError(f"'dep_q' {predicted} of 'n_q' {inputs} leaves no side to speak or to hear")


def _gate_width(width: int, feed_forward: int) -> int:
    """Width of one branch. Source: `modules/gating.py` of the reference."""
    return 21 * width // 8 if feed_forward == 4 * width else 2 * feed_forward // 3


def _sampling(values: Mapping[str, Any]) -> SamplingDefaults:
    extra = values.keys() - _SAMPLING.keys() - {"use_sampling", "cfg_coef", "check"}
    if extra:
        raise ValueError(f"'lm_gen_config' has unknown keys {sorted(extra)}")
    if values.get("cfg_coef", 1) != 1:
        raise ValueError("'lm_gen_config.cfg_coef' other than 1 is not computed here")
    found = {ours: values[theirs] for theirs, ours in _SAMPLING.items() if theirs in values}
    if values.get("use_sampling", True) is False:
        found |= {"text_temperature": 0.0, "code_temperature": 0.0}
    return SamplingDefaults(**{**_MOSHI_SAMPLING, **found})
