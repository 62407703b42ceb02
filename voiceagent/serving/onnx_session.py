"""Opens the small networks of turn-taking, which lie in the wheel of `pipecat-ai`.

One thread each, on the CPU: they run beside the model's step and must not spin on its core. To run
them on a GPU, replace `onnxruntime` by `onnxruntime-gpu` and name `CUDAExecutionProvider`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voiceagent.errors import DetectorUnavailable

CPU = ("CPUExecutionProvider",)


def bundled_model(name: str, inside: str) -> Path:
    """Where a network lies in the installed wheel, without importing it.

    Args:
        name: of the network, for the error.
        inside: path below the package.

    Raises:
        DetectorUnavailable: the package or the file is missing.
    """
    spec = importlib.util.find_spec("pipecat")
    if spec is None or spec.origin is None:
        raise DetectorUnavailable(name, "the package pipecat-ai, which brings it, is missing")
    path = Path(spec.origin).parent / inside
    if not path.is_file():
        raise DetectorUnavailable(name, f"{path} is missing")
    return path


def open_session(name: str, model: Path, providers: Sequence[str] = CPU) -> Any:
    """An `onnxruntime.InferenceSession` of one thread.

    Args:
        name: of the network, for the error.
        model: its file.
        providers: in order of preference.

    Raises:
        DetectorUnavailable: ONNX Runtime is missing, or refuses the file or the providers.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise DetectorUnavailable(name, str(error)) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    missing = set(providers) - set(onnxruntime.get_available_providers())
    if missing:
        reason = f"this ONNX Runtime has no {', '.join(sorted(missing))}"
        raise DetectorUnavailable(name, reason, "pip install onnxruntime-gpu")
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=list(providers))
    except Exception as error:  # ONNX Runtime's errors have no common root
        raise DetectorUnavailable(name, f"{model}: {error}") from error
