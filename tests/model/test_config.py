import dataclasses
import json

import pytest

from voiceagent.errors import ConfigError
from voiceagent.model.config import TransformerConfig, decoder_config


def as_json(config):
    return json.loads(json.dumps(dataclasses.asdict(config)))


def test_decoder_config_survives_json(make_config):
    config = make_config()
    assert decoder_config(as_json(config), "file") == config


def test_decoder_config_derives_streams_in_order(make_config):
    config = make_config(user_text=True, feed_agent_codes=False)
    assert config.text_streams == 2
    assert config.delays == (0, 0, 0, 1, 1, 0, 1, 1)
    assert config.initial_tokens == (19, 19, 11, 11, 11, 11, 11, 11)
    assert (config.text_rows, config.agent_rows, config.output_delay) == (20, 12, 1)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"agent_delays": [0]}, "agent_delays needs 3 values"),
        ({"initial_user_codes": [0, -1, 0]}, "initial_user_codes"),
        ({"pad_id": 19}, "pad_id is outside the 19 text tokens"),
        ({"context": 0}, "context"),
        ({"colour": 1}, "colour"),
        ({"agent": {"codebooks": 0, "cardinality": 5}}, "codebooks"),
        ({"agent": 3}, "decoder"),
        ({"temporal": {"width": 30, "layers": 1, "heads": 4, "hidden": 8}}, "multiple of 2"),
        ({"temporal": {"width": 8, "layers": 0, "heads": 1, "hidden": 8}}, "layers must be"),
    ],
)
def test_decoder_config_out_of_range_names_origin_and_field(make_config, change, problem):
    with pytest.raises(ConfigError, match=f"^file: .*{problem}"):
        decoder_config({**as_json(make_config()), **change}, "file")


def test_decoder_config_without_a_field_names_it(make_config):
    values = as_json(make_config())
    del values["depth"]
    with pytest.raises(ConfigError, match=r"decoder\.depth is missing"):
        decoder_config(values, "file")


def test_transformer_config_of_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm must be"):
        TransformerConfig(width=8, layers=1, heads=1, hidden=8, norm="batch")
