import pytest
from voiceagent_codec.mimi_config import MimiConfig

from voiceagent.errors import ConfigError
from voiceagent.model.mimi_sizes import mimi_sizes
from voiceagent.testing.random_moshi import TINY_MIMI

PUBLISHED = {
    "sample_rate": 24000,
    "channels": 1,
    "frame_rate": 12.5,
    "seanet": {"n_filters": 64, "dimension": 512, "ratios": [8, 6, 5, 4], "dilation_base": 2},
    "quantizer": {"dimension": 256, "n_q": 32, "bins": 2048, "input_dimension": 512},
    "transformer": {"d_model": 512, "num_heads": 8, "context": 250, "max_period": 10000},
}


def test_mimi_sizes_of_the_published_file_are_the_defaults():
    assert mimi_sizes(PUBLISHED, 8, "file") == MimiConfig()


def test_mimi_sizes_of_a_tiny_one_keep_the_frame_rate():
    config = mimi_sizes(TINY_MIMI, 4, "file")
    assert (config.codebooks, config.cardinality, config.frame_samples) == (4, 31, 1920)
    assert config.strides == (4, 5, 6, 8)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seanet": {"colour": 1}}, "'seanet.colour' is not known"),
        ({"channels": 2}, "'channels' is 2; only 1"),
        ({"transformer": {"gating": "silu"}}, "'transformer.gating' is 'silu'"),
        ({"transformer": {"num_heads": 0}}, "heads must be positive"),
    ],
)
def test_mimi_sizes_that_cannot_be_computed_name_file_and_key(changes, problem):
    with pytest.raises(ConfigError, match=f"^file: .*{problem}"):
        mimi_sizes({**PUBLISHED, **changes}, 8, "file")
