"""The file that a repository's `mimi_config_name` names -> sizes of its codec.

Repositories without that key hold the one published Mimi. Source: `_mimi_config` of
kyutai-labs/moshi 0.2.13 (`moshi/models/loaders.py`), whose nested keys these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voiceagent_codec.mimi_config import MimiConfig

from voiceagent.errors import ConfigError

#: What the codec does not do in any other way.
_FIXED: dict[str, Any] = {
    "channels": 1,
    "seanet.channels": 1,
    "seanet.causal": True,
    "seanet.n_residual_layers": 1,
    "seanet.activation": "ELU",
    "seanet.compress": 2,
    "seanet.disable_norm_outer_blocks": 0,
    "seanet.kernel_size": 7,
    "seanet.residual_kernel_size": 3,
    "seanet.last_kernel_size": 3,
    "seanet.norm": "none",
    "seanet.pad_mode": "constant",
    "seanet.true_skip": True,
    "transformer.causal": True,
    "transformer.conv_layout": True,
    "transformer.gating": "none",
    "transformer.norm": "layer_norm",
    "transformer.positional_embedding": "rope",
}
_SIZES = {
    "sample_rate": "sample_rate_hz",
    "seanet.n_filters": "filters",
    "seanet.dimension": "width",
    "quantizer.bins": "cardinality",
    "quantizer.dimension": "code_width",
    "transformer.num_heads": "heads",
    "transformer.num_layers": "layers",
    "transformer.dim_feedforward": "hidden",
    "transformer.context": "context",
    "transformer.max_period": "rope_base",
}
#: Said twice in the file, or of training only.
_IGNORED = {
    *("frame_rate", "seanet.ratios", "seanet.dilation_base", "quantizer.n_q"),
    *("quantizer.input_dimension", "quantizer.output_dimension", "transformer.d_model"),
    *("transformer.input_dimension", "transformer.output_dimensions", "transformer.layer_scale"),
}


def mimi_sizes(values: Mapping[str, Any], codebooks: int, origin: str) -> MimiConfig:
    """Read a Mimi's sizes.

    Args:
        values: the parsed file.
        codebooks: how many of its codebooks the decoder speaks and hears.
        origin: named in errors, usually the file.

    Raises:
        ConfigError: a key is not known, or has a value that this codec does not compute.
    """
    flat = _flatten(values)
    for key, value in flat.items():
        if key not in _FIXED.keys() | _SIZES.keys() | _IGNORED:
            raise ConfigError(f"{origin}: '{key}' is not known; this codec cannot be computed")
        if key in _FIXED and value != _FIXED[key]:
            raise ConfigError(
                f"{origin}: '{key}' is {value!r}; only {_FIXED[key]!r} is computed here"
            )
    sizes = {_SIZES[key]: value for key, value in flat.items() if key in _SIZES}
    if "seanet.ratios" in flat:
        sizes["strides"] = tuple(reversed(flat["seanet.ratios"]))
    try:
        return MimiConfig(codebooks=codebooks, **sizes)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{origin}: {error}") from error


def _flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": item for inner, item in value.items()}
        else:
            flat[key] = value
    return flat
