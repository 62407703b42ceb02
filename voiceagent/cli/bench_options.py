"""What `voiceagent bench` is told on its command line, and the target, judge and data it means."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from tqdm import tqdm

from voiceagent.bench.builtin import DEFAULT_COUNT, DEFAULT_SEED, BuiltinConfig, speak_scenes
from voiceagent.bench.judge import KEY_VARIABLE, Judge, JudgeConfig
from voiceagent.bench.rules import CORRECTED, RULES
from voiceagent.bench.suites import SUITES
from voiceagent.bench.targets.factory import KNOWN_TARGETS, TargetOptions
from voiceagent.bench.targets.in_process import InProcessConfig
from voiceagent.cli.options import (
    add_model_arguments,
    add_policy_argument,
    add_prompt_arguments,
    positive_int,
)
from voiceagent.cli.voices import default_root
from voiceagent.errors import ConfigError
from voiceagent.settings import default_policy


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """All of ``bench run``."""
    parser.add_argument("suite", choices=tuple(SUITES), help="what to run")
    parser.add_argument(
        "--target",
        default="in-process",
        metavar="TARGET",
        help=f"{', '.join(KNOWN_TARGETS)} (default: in-process)",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the suite's tasks")
    parser.add_argument(
        "--out", type=Path, metavar="RUN", help="folder of the run (default: bench-SUITE, here)"
    )
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help="only these tasks")
    parser.add_argument("--limit", type=_whole_number, metavar="N", help="the first N of each task")
    parser.add_argument(
        "--n",
        type=_whole_number,
        default=DEFAULT_COUNT,
        help="scenes of each task, for builtin (default: %(default)s; tables want 100)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=DEFAULT_SEED,
        help="of the first scene, for builtin (default: %(default)s)",
    )
    parser.add_argument(
        "--slots",
        type=positive_int,
        default=8,
        help="conversations at once, in process or with a gateway (default: 8)",
    )
    add_processes_argument(parser)
    parser.add_argument("--token", help="of a gateway that wants one")
    add_policy_argument(parser, default="of the model in process, as serve does: on for nano")
    parser.add_argument("--only-play", action="store_true", help="stop after the first stage")
    add_asr_argument(parser)
    add_judge_arguments(parser)
    add_score_arguments(parser)
    add_model_arguments(parser)
    add_prompt_arguments(parser)


def add_asr_argument(parser: argparse.ArgumentParser) -> None:
    """--asr."""
    parser.add_argument(
        "--asr",
        default="auto",
        metavar="SOURCE",
        help="where words come from: whisper (tiny.en from its wheel), whisper:DIR, whisper:SIZE "
        "or whisper:ID (from its hub), text (the model's own), given:DIR, parakeet (NeMo), sphinx "
        "(a second opinion on builtin), none; "
        "auto is whisper where it is installed, else text (default: auto)",
    )


def add_processes_argument(parser: argparse.ArgumentParser) -> None:
    """--processes; None where it is not given."""
    parser.add_argument(
        "--processes",
        type=positive_int,
        metavar="N",
        help="so many share the recordings where all is computed here: targets in-process and "
        "cascade, recognisers whisper and sphinx (default: 2 on two cores or more, but 1 for "
        "models other than nano)",
    )


def add_judge_arguments(parser: argparse.ArgumentParser) -> None:
    """--judge, --judge-model and --judge-seed; who has --upstream besides."""
    parser.add_argument(
        "--judge",
        metavar="URL",
        help="a server that speaks OpenAI's chat completions, up to /v1; its key, if it wants one, "
        f"from the environment: {KEY_VARIABLE}",
    )
    parser.add_argument("--judge-model", default="", metavar="NAME", help="of that server")
    parser.add_argument(
        "--judge-seed",
        type=int,
        default=0,
        metavar="N",
        help="added to the official seeds (default: 0)",
    )


def add_score_arguments(parser: argparse.ArgumentParser) -> None:
    """--compat and --upstream."""
    parser.add_argument(
        "--compat",
        default=CORRECTED.name,
        metavar="RULES",
        help=f"which arithmetic: {', '.join(RULES)} (default: %(default)s)",
    )
    add_upstream_argument(parser)


def add_upstream_argument(parser: argparse.ArgumentParser) -> None:
    """--upstream."""
    parser.add_argument(
        "--upstream",
        type=Path,
        metavar="DIR",
        help="your checkout of Full-Duplex-Bench: when people give backchannels, and what a judge "
        "is asked; neither is in this package",
    )


def target_options_of(options: argparse.Namespace) -> TargetOptions:
    """What the target of ``bench run`` is opened with; turn-taking as it is served."""
    given = {
        "role": options.role,
        "voice": options.voice,
        "policy": options.policy or default_policy(options.model),
    }
    config = InProcessConfig(
        model=options.model,
        adapter=options.adapter,
        device=options.device,
        num_slots=options.slots,
        threads=options.threads,
        session={name: value for name, value in given.items() if value},
        voices=options.voices or default_root(),
    )
    return TargetOptions(in_process=config, token=options.token, num_lanes=options.slots)


def playing_processes(options: argparse.Namespace) -> int:
    """How many share the playing; a target that is not in this process has one place."""
    kind = options.target.partition(":")[0]
    if kind not in ("in-process", "cascade"):
        return 1
    is_small = kind == "cascade" or options.model == "nano"  # others would fill the memory twice
    return options.processes or (default_processes() if is_small else 1)


def default_processes() -> int:
    """Two, where there are as many cores."""
    return min(2, os.cpu_count() or 1)


def open_judge_of(options: argparse.Namespace) -> Judge | None:
    """The judge; None where none was named.

    Raises:
        ConfigError: nothing needs one, it lacks a model or the official prompts, or httpx is not
            installed.
    """
    if options.judge is None:
        return None
    if getattr(options, "suite", None) == "builtin":
        raise ConfigError("--judge: overlaps of our own scenes are tagged by a rule; leave it out")
    if options.upstream is None:
        raise ConfigError(
            "--judge needs --upstream DIR, your checkout of Full-Duplex-Bench: what a judge is "
            "asked is read from there"
        )
    config = JudgeConfig(
        url=options.judge,
        model=options.judge_model,
        key=os.environ.get(KEY_VARIABLE, ""),
        seed=options.judge_seed,
    )
    return Judge(config)


def data_of(options: argparse.Namespace, beside: Path) -> tuple[Path, dict[str, Any]]:
    """Where the recordings lie, and the suite's settings; our own scenes are spoken first."""
    if options.suite != "builtin":
        if options.data is None:
            raise ConfigError(f"{options.suite} needs --data, the folder of your download")
        return options.data, {"tasks": options.tasks or "all", "limit": options.limit}
    try:
        config = BuiltinConfig(count=options.n, seed=options.seed, tasks=tuple(options.tasks or ()))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    data = options.data or beside / f"bench-scenes-{config.seed}"
    with tqdm(total=config.num_scenes, desc="speaking scenes", unit="scene") as bar:
        speak_scenes(data, config, bar.update)
    return data, config.facts()


def _whole_number(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value
