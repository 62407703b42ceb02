import subprocess
import sys

import voiceagent.scenes


def test_import_of_the_room_loads_nothing_heavy():
    heavy = ("torch", "asyncio", "scipy", "onnx", "onnxruntime", "hibari", "soxr", "soundfile")
    code = f"import sys, voiceagent.scenes; print(*set(sys.modules) & set({heavy!r}))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout.strip()) == (0, "")


def test_exported_names_exist():
    assert all(hasattr(voiceagent.scenes, name) for name in voiceagent.scenes.__all__)
