"""Targets by name."""

import pytest

from voiceagent.bench.targets.factory import TargetOptions, open_target
from voiceagent.bench.targets.in_process import InProcessConfig
from voiceagent.errors import BenchError, ConfigError


def test_a_folder_is_replayed(tmp_path):
    assert open_target(f"replay:{tmp_path}", TargetOptions()).facts["target"] == "replay"
    with pytest.raises(BenchError, match="no such folder"):
        open_target(f"replay:{tmp_path}/none", TargetOptions())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("siri", "there are: in-process"),
        ("ws:nowhere", "ws://"),
        ("webrtc+http:nowhere", "webrtc"),
        ("replay:", "needs a folder"),
        ("in-process:nano", "--model"),
    ],
)
def test_a_name_that_means_nothing_says_what_would(name, said):
    with pytest.raises(ConfigError, match=said):
        open_target(name, TargetOptions())


def test_a_session_that_cannot_be_is_refused_before_a_model_is_loaded():
    config = InProcessConfig(model="/no/such/model", session={"role": 3})
    with pytest.raises(ConfigError, match=r"in-process.*role"):
        open_target("in-process", TargetOptions(in_process=config))
