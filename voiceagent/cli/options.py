"""Arguments that several subcommands share, checked as they are parsed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from voiceagent.errors import ConfigError
from voiceagent.serving.config import POLICIES
from voiceagent.settings import MEASURED_POLICY, UNMEASURED_POLICY


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """--model, --adapter, --device and --threads."""
    parser.add_argument(
        "--model",
        default="nano",
        metavar="NAME",
        help="'nano', the model in this package, or a model folder (default: nano)",
    )
    parser.add_argument(
        "--adapter", type=Path, metavar="DIR", help="a LoRA or DoRA adapter to merge into the model"
    )
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAME",
        help="auto, cpu, cuda or cuda:N (default: auto, CUDA if there)",
    )
    parser.add_argument(
        "--threads",
        type=positive_int,
        default=1,
        metavar="N",
        help="CPU threads of the step; one is best for nano (default: 1)",
    )


def add_engine_arguments(parser: argparse.ArgumentParser, *, slots: str) -> None:
    """What those who serve share: settings and engine; None for what is not given.

    Args:
        parser: of the subcommand.
        slots: what takes one, in words.
    """
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file with settings")
    parser.add_argument("--model", metavar="NAME", help="'nano' or a model folder (default: nano)")
    parser.add_argument(
        "--adapter", type=Path, metavar="DIR", help="a LoRA or DoRA adapter to merge into the model"
    )
    parser.add_argument(
        "--device", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto, CUDA if there)"
    )
    parser.add_argument("--slots", type=int, metavar="N", help=f"{slots} at once (default: 4)")
    parser.add_argument(
        "--allow-slow",
        action="store_true",
        default=None,
        help="start although steps will take longer than 80 ms; it will stutter",
    )
    add_prompt_arguments(parser)
    add_policy_argument(parser, default=f"{MEASURED_POLICY} for nano, else {UNMEASURED_POLICY}")


def add_prompt_arguments(parser: argparse.ArgumentParser) -> None:
    """--role, --voice and --voices; None where they are not given."""
    parser.add_argument(
        "--role",
        metavar="TEXT",
        help="who the agent shall be and what it shall know; for models that take prompts",
    )
    parser.add_argument(
        "--voice", metavar="ID", help="a voice of 'voiceagent voices list', for such models"
    )
    parser.add_argument(
        "--voices",
        type=Path,
        metavar="DIR",
        help="folder of registered voices (default: voices/ in voiceagent's data folder)",
    )


def add_policy_argument(parser: argparse.ArgumentParser, *, default: str) -> None:
    """--policy; None where it is not given."""
    parser.add_argument(
        "--policy",
        choices=POLICIES,
        help="turn-taking: off leaves it to the model, shadow decides and only writes it down, on "
        f"does it (default: {default})",
    )


def check_output(output: Path, source: Path) -> None:
    """See that a result can be written before anything is computed.

    Raises:
        ConfigError: it would overwrite its source, is a folder, or its folder is missing.
    """
    try:
        if output.is_dir() or output.name in ("", ".", ".."):
            raise ConfigError(f"{output}: is a folder; name a file in it")
        if not output.parent.is_dir():
            raise ConfigError(f"{output}: cannot be written, there is no folder {output.parent}")
        if output.exists() and output.samefile(source):
            raise ConfigError(f"{output}: would overwrite the input; name another output")
    except OSError as error:
        raise ConfigError(f"{output}: cannot be written ({error.strerror})") from error


def positive_int(text: str) -> int:
    """A whole number from 1 to 4 x the machine's cores, at least 64."""
    value = int(text)
    highest = max(64, 4 * (os.cpu_count() or 1))
    if not 1 <= value <= highest:
        raise argparse.ArgumentTypeError(f"must be 1 to {highest}, not {value}")
    return value


def bounded_float(lowest: float, highest: float):  # type: ignore[no-untyped-def]
    """A parser of numbers in a range."""

    def parse(text: str) -> float:
        value = float(text)
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"must be {lowest:g} to {highest:g}, not {text}")
        return value

    parse.__name__ = "number"  # what argparse calls it in its own message
    return parse
