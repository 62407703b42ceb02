"""The stages of `voiceagent train nano`, one after the other, each to be stopped and gone on with.

speech and voice data -> semantic encoder beside the agent's voice -> codec written -> bank of the
agent's sentences -> calls as tokens -> decoder -> model written -> a first evaluation -> card and
curves. On a GPU the decoder learns in one process while the others still make calls. A run that
goes on from a model keeps its voice, and teaches the encoder in all processes; or it teaches the
encoder alone, the decoder alone, or the voice alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from voiceagent.training import export
from voiceagent.training.processes import run_all
from voiceagent.training.run import TrainingRun, Work
from voiceagent.training.stages import (
    learn_conversation,
    learn_hearing,
    learn_listening,
    learn_voice,
    make_bank,
    make_calls,
    make_speech,
    make_voice_data,
    write_and_evaluate,
    write_codec,
)
from voiceagent.training.workspace import open_workspace


def train_nano(run: TrainingRun, report: Callable[[str], object]) -> Path | None:
    """Run all stages that are not done.

    Args:
        run: what to run.
        report: told a line now and then.

    Returns:
        The model's folder; None where the deadline came first: run again.

    Raises:
        ConfigError: the folder holds another run.
        TrainingError: a stage failed in another process, or the disk is full.
        SynthesisUnavailable: a voice is not installed.
    """
    workspace = open_workspace(run.path, run.settings)
    for name, works in _stages(run):
        if workspace.read_json(f"done/{name}") is None:
            report(f"{name}: {_expected(run, name)}")
            if not run_all(run, works):
                return None
            workspace.write_json(f"done/{name}", {"done": True})
    return run.path / export.FOLDER


def _stages(run: TrainingRun) -> list[tuple[str, Sequence[Work]]]:
    """Names of the stages, and what each process does in them."""
    workers = run.budget.workers
    # on CPUs all processes teach one network together
    learners = workers if run.device == "cpu" else 1
    voice_data: tuple[str, Sequence[Work]] = ("voice_data", [make_voice_data] * workers)
    if run.budget.teach == "voice":
        return [
            voice_data,
            ("voice", [learn_voice] * learners),
            ("codec", [write_codec]),
            ("evaluate", [write_and_evaluate]),
        ]
    if run.budget.teach == "ear":
        return [
            ("speech", [make_speech] * workers),
            ("bank", [make_bank] * workers),
            ("ear", [learn_listening] * learners),
            ("codec", [write_codec]),
            ("evaluate", [write_and_evaluate]),
        ]
    learning: list[tuple[str, Sequence[Work]]]
    if run.budget.teach == "conversation":
        learning = []
    elif run.start is not None:
        learning = [voice_data, ("semantic", [learn_hearing] * learners)]
    elif workers == 1:
        learning = [voice_data, ("semantic", [learn_hearing]), ("voice", [learn_voice])]
    else:
        learning = [voice_data, ("semantic", [learn_hearing, learn_voice])]
    conversing: list[tuple[str, Sequence[Work]]] = (
        [("dialogues", [make_calls] * workers), ("decoder", [learn_conversation] * workers)]
        if run.device == "cpu" or workers == 1
        else [("decoder", [learn_conversation, *[make_calls] * (workers - 1)])]
    )
    return [
        ("speech", [make_speech] * workers),
        *learning,
        ("codec", [write_codec]),
        ("bank", [make_bank] * workers),
        *conversing,
        ("evaluate", [write_and_evaluate]),
    ]


def _expected(run: TrainingRun, stage: str) -> str:
    """What a stage will take, as far as it is known."""
    if stage not in run.budget.shares:
        return "a few seconds"
    return f"about {run.budget.seconds_for(stage):.0f} s"
