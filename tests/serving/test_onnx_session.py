"""Finding and opening the networks; each fault says what to do."""

import importlib.util

import pytest

from voiceagent.errors import DetectorUnavailable
from voiceagent.serving.onnx_session import bundled_model, open_session


def test_a_file_that_the_wheel_lacks_is_named():
    with pytest.raises(DetectorUnavailable, match=r"nothing\.onnx is missing.*voiceagent\[turns\]"):
        bundled_model("Silero VAD", "nothing.onnx")


def test_a_wheel_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DetectorUnavailable, match="pipecat-ai") as caught:
        bundled_model("Silero VAD", "nothing.onnx")
    assert caught.value.fix == "pip install 'voiceagent[turns]'"


def test_a_file_that_is_no_network_is_named(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(DetectorUnavailable, match=r"broken\.onnx"):
        open_session("Silero VAD", broken)


def test_a_provider_that_this_build_lacks_is_named(tmp_path):
    with pytest.raises(DetectorUnavailable, match="onnxruntime-gpu"):
        open_session("Silero VAD", tmp_path / "any.onnx", ("MoonExecutionProvider",))
