import pytest
from voiceagent_codec.base import CodeSpace
from voiceagent_codec.mimi_config import MimiConfig


def test_mimi_config_by_default_is_the_published_one():
    spec = MimiConfig().spec
    assert (spec.sample_rate_hz, spec.frame_samples, spec.frame_rate_hz) == (24_000, 1920, 12.5)
    assert spec.user == spec.agent == CodeSpace(8, 2048)
    assert spec.is_invertible


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"layers": 0}, "layers must be positive"),
        ({"rope_base": -1.0}, "rope_base must be positive"),
        ({"strides": ()}, "strides must be positive"),
        ({"strides": (4, 0)}, "strides must be positive"),
        ({"strides": "4"}, "strides must be tuple"),
        ({"codebooks": 1}, "codebooks must be at least 2"),
        ({"context": 1}, "context must be at least 2"),
        ({"width": 24}, "width 24 is no even number for each of 8 heads"),
        ({"filters": 3}, "filters must be even"),
    ],
)
def test_mimi_config_of_an_impossible_size_names_the_field(changes, problem):
    with pytest.raises(ValueError, match=problem):
        MimiConfig(**changes)
