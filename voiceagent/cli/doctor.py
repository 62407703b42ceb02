"""`voiceagent doctor`: what this machine can run, what is missing, how to fix it."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
from collections.abc import Callable, Iterator
from typing import Literal

from voiceagent_codec.errors import CodecError

from voiceagent.cli.options import add_model_arguments
from voiceagent.errors import RecogniserUnavailable, SynthesisUnavailable, VoiceAgentError

FRAME_BUDGET_US = 80_000
TRIAL_FRAMES = 60

DESCRIPTION = """\
Check this machine: Python, PyTorch, the model (loaded and timed), and the optional parts. Every
line that is not 'ok' says what it is needed for and how to fix it. Exit code 1 if the agent cannot
run here, else 0.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    Attributes:
        name: what was looked at.
        status: "ok"; "absent" for an optional part; "broken" if the agent cannot run.
        detail: what was found.
        fix: what to do, empty when ok.
    """

    name: str
    status: Literal["ok", "absent", "broken"]
    detail: str
    fix: str = ""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "doctor",
        help="what this machine can run, what is missing, how to fix it",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look, print, and say whether the agent can run."""
    checks = []
    for check in examine(options.model, options.threads):
        checks.append(check)
        if not options.json:
            print(f"{check.status:7} {check.name:18} {check.detail}")
            if check.fix:
                print(f"{'':26} -> {check.fix}")
    is_broken = any(check.status == "broken" for check in checks)
    if options.json:
        print(json.dumps([dataclasses.asdict(check) for check in checks]))
    elif is_broken:
        print("\nThe agent cannot run here yet; mend the lines marked 'broken'.")
    else:
        print("\nReady: try 'voiceagent talk'.")
    return int(is_broken)


def examine(model: str, threads: int) -> Iterator[Check]:
    """Every check, one after another; the slow ones last."""
    yield _python()
    yield _processor()
    yield _torch()
    yield _triton()
    yield from _optional_parts()
    yield from _sizes(model)
    yield _model(model, threads)


def _python() -> Check:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", "ok", detail)


def _processor() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Check("processor", "ok", f"{cores} cores")


def _torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check("torch", "broken", f"cannot be imported ({error})", "run 'make setup'")
    from voiceagent_kernels.reference.int8_linear import int8_is_fast

    vnni = "VNNI" if int8_is_fast() else "no VNNI, so nothing in 8 bits"
    vectors = f"{torch.backends.cpu.get_cpu_capability()}, {vnni}"
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name(0)
    else:
        device = "no CUDA device; the nano model runs on the CPU"
    return Check("torch", "ok", f"{torch.__version__}, CPU {vectors}; {device}")


def _triton() -> Check:
    if importlib.util.find_spec("triton") is None:
        return Check("triton", "absent", "GPU kernels need it; Linux only")
    return Check("triton", "ok", importlib.metadata.version("triton"))


def _optional_parts() -> Iterator[Check]:
    """Parts that only tests, scenes and training need; each is started, not only looked for."""
    from voiceagent.scenes.espeak import espeak_engine
    from voiceagent.scenes.flite import flite_engine
    from voiceagent.scenes.hibari import hibari_engine
    from voiceagent.testing.recogniser import Recogniser

    speech = "speech for tests, scenes and training"
    yield _part("espeak-ng", espeak_engine, speech)
    yield _part("flite", flite_engine, speech)
    yield _part("hibari", hibari_engine, speech)
    yield _part("recogniser", Recogniser, "judging answers")
    if importlib.util.find_spec("torchaudio") is None:
        fix = "pip install 'voiceagent[train]'"
        yield Check("torchaudio", "absent", "needed for training", fix)
    else:
        yield Check("torchaudio", "ok", "training")


def _part(name: str, start: Callable[[], object], purpose: str) -> Check:
    try:
        start()
    except (SynthesisUnavailable, RecogniserUnavailable) as error:
        return Check(name, "absent", f"{error}; needed for {purpose}", error.fix)
    return Check(name, "ok", purpose)


def _sizes(model: str) -> Iterator[Check]:
    """What the model takes, from its config alone: no weight is read."""
    try:
        from voiceagent.model.checkpoint import open_model
        from voiceagent.model.memory import gib
        from voiceagent.model.roofline import GPUS, roofline
        from voiceagent.model.size import decoder_size

        folder = open_model(model)
    except (VoiceAgentError, CodecError, ImportError, OSError):
        return  # the line of the model itself says what is wrong
    config, size, dtype = folder.decoder, decoder_size(folder.decoder), folder.dtype
    yield Check(
        "decoder",
        "ok",
        f"{size.parameters / 1e6:.1f} M parameters, {gib(size.weight_bytes(dtype))} in "
        f"{str(dtype).removeprefix('torch.')}; {gib(size.kv_bytes(dtype))} of keys and values per "
        f"session, for a context of {config.context} steps",
    )
    lines = [roofline(config, size, folder.codec_cost, gpu) for gpu in GPUS]
    found = ", ".join(f"{line.gpu.name} {line.sessions}" for line in lines)
    yield Check(
        "roofline", "ok", f"sessions with full contexts, computed and not measured: {found}"
    )


def _model(model: str, threads: int) -> Check:
    """Load the model and time its step."""
    name = f"model {model}"
    try:
        return _time_model(name, model, threads)
    except (VoiceAgentError, CodecError) as error:
        return Check(name, "broken", str(error), "name another --model, or reinstall voiceagent")
    except ImportError as error:
        return Check(name, "broken", str(error), "run 'make setup'")


def _time_model(name: str, model: str, threads: int) -> Check:
    import numpy as np

    from voiceagent.audio.framing import FRAME_SAMPLES
    from voiceagent.serving.device import use_threads
    from voiceagent.serving.engine import Engine

    use_threads(threads)
    engine = Engine.load(model)
    session = engine.open_session()
    frame = np.random.default_rng(0).normal(0, 0.01, FRAME_SAMPLES).astype(np.float32)
    for _ in range(TRIAL_FRAMES):
        session.push(frame)
        engine.step()
    times = engine.metrics.step_times()
    p50_ms, p99_ms = times.p50_us / 1000, times.p99_us / 1000
    detail = f"{p50_ms:.1f} ms a frame of 80 ms (p99 {p99_ms:.1f}), {threads} thread(s)"
    if times.p99_us > FRAME_BUDGET_US:
        detail += "; now and then too late: something else keeps this machine busy"
    if times.p50_us > FRAME_BUDGET_US:
        return Check(name, "broken", detail, "too slow for real time on this machine")
    return Check(name, "ok", detail)
