"""`voiceagent bench`: how well an agent converses, by Full-Duplex-Bench; stage by stage."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from voiceagent.bench.builtin import DEFAULT_COUNT, DEFAULT_SEED, BuiltinConfig, speak_scenes
from voiceagent.bench.compare import compare_rows, disagreements
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.report import definition, headline, number_text, render
from voiceagent.bench.rules import CORRECTED, RULES, rules_named
from voiceagent.bench.runner import play_samples, seconds_left
from voiceagent.bench.stages import begin, plan_run, read_rows, read_summary, score_run
from voiceagent.bench.suites import SUITES, planned_samples
from voiceagent.bench.summary import columns_of
from voiceagent.bench.targets.factory import KNOWN_TARGETS, TargetOptions, open_target
from voiceagent.bench.targets.in_process import InProcessConfig
from voiceagent.cli.options import add_model_arguments, add_prompt_arguments, positive_int
from voiceagent.cli.voices import default_root
from voiceagent.errors import BenchError, ConfigError

if TYPE_CHECKING:
    from voiceagent.bench.suite import Sample
    from voiceagent.bench.targets.base import Target

DESCRIPTION = """\
Score an agent on Full-Duplex-Bench: pauses, backchannels, turns, interruptions, overlaps.

  voiceagent bench                               the embedded model on our own scenes, right here
  voiceagent bench run fdb-v1 --data DIR         a set that you downloaded; DIR holds its folders
  voiceagent bench run fdb-v1.5 --data DIR --target replay:OUTPUTS     recordings that you have
  voiceagent bench asr RUN --asr parakeet        recognise what was said once more, otherwise
  voiceagent bench score RUN --compat upstream@d7336bd     the official arithmetic, quirk by quirk
  voiceagent bench report RUN                    one HTML file with intervals and recordings to hear
  voiceagent bench compare RUN OTHER             pair by pair

'run' goes on to recognise, score and report; each stage can be stopped with Ctrl-C, and the same
command goes on where it was. What is in DIR is only read; everything is written to --out. A run of
which recordings are missing is called partial everywhere.
"""
RUN_DESCRIPTION = """\
Play every recording of a suite to an agent and keep what it says, then recognise, score, report.

suites:
  builtin    scenes in the embedded model's domain, spoken here from seeds; needs no download
  fdb-v1     pause handling, backchannel, smooth turn-taking, user interruption
  fdb-v1.5   four kinds of overlap, each with its clean twin
targets:
  in-process       --model in this process, as many conversations at once as --slots; faster than
                   real time
  replay:DIR       recordings made elsewhere, DIR/TASK/ID/output.wav, as long as their inputs
  cascade          Silero VAD, Whisper tiny.en, rules and a voice: what a model has to beat
  ws://HOST:PORT   a server of Moshi's protocol, such as Kyutai's own; in real time
  webrtc+http://HOST:PORT   a gateway of ours (--token); as many calls at once as --slots; in real
                   time
"""
_SECONDS_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
#: Exit code of a run that is not whole.
PARTIAL = 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand and its stages."""
    parser = commands.add_parser(
        "bench",
        help="score an agent on Full-Duplex-Bench",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    stages = parser.add_subparsers(dest="stage", metavar="STAGE")
    run_parser = _stage(stages, "run", run, "play a suite to an agent", RUN_DESCRIPTION)
    _add_run_arguments(run_parser)
    parser.set_defaults(run=lambda _: run(run_parser.parse_args(["builtin"])))
    asr = _stage(stages, "asr", run_asr, "recognise what the agent of a run said")
    score = _stage(stages, "score", run_score, "score a run, or score it by other rules")
    report = _stage(stages, "report", run_report, "a run as one HTML file")
    compare = _stage(stages, "compare", run_compare, "two runs, recording by recording")
    for stage in (asr, score, report, compare):
        stage.add_argument("out", type=Path, metavar="RUN", help="folder of the run")
    _add_asr_argument(asr, default="auto")
    _add_score_arguments(score)
    report.add_argument(
        "--output", type=Path, metavar="FILE", help="the page (default: RUN/report.html)"
    )
    compare.add_argument("other", type=Path, metavar="OTHER", help="folder of the second run")


def run(options: argparse.Namespace) -> int:
    """All stages."""
    folder = RunFolder(options.out or Path(f"bench-{options.suite}"))
    print(f"{options.suite} on {options.target}, in {folder.path}")
    target = _open(options)
    try:
        samples = _prepare(folder, options, target.facts)
        _play(folder, samples, target)
    finally:
        target.close()
    if options.only_play:
        return 0
    _recognise(folder, samples, options.asr)
    summary = _score(folder, options)
    _report(folder, folder.path / "report.html")
    return 0 if summary["is_whole"] else PARTIAL


def run_asr(options: argparse.Namespace) -> int:
    """The second stage."""
    folder = RunFolder(options.out)
    _recognise(folder, planned_samples(folder.plan()), options.asr)
    return 0


def run_score(options: argparse.Namespace) -> int:
    """The third stage."""
    return 0 if _score(RunFolder(options.out), options)["is_whole"] else PARTIAL


def run_report(options: argparse.Namespace) -> int:
    """The page."""
    folder = RunFolder(options.out)
    _report(folder, options.output or folder.path / "report.html")
    return 0


def run_compare(options: argparse.Namespace) -> int:
    """A table of differences."""
    folders = RunFolder(options.out), RunFolder(options.other)
    first, second = (read_summary(folder) for folder in folders)
    for reason in disagreements(first, second):
        print(f"not comparable: {reason}")
    rows: list[tuple[object, ...]] = [("", "", "first", "second", "second - first, 95 %", "n")]
    for found in compare_rows(*(read_rows(folder) for folder in folders)):
        change = found.difference
        interval = "" if change.low is None else f" ({change.low:+.3f} to {change.high:+.3f})"
        means = f"{found.first:.3f}", f"{found.second:.3f}"
        rows.append((found.task, found.title, *means, f"{change.value:+.3f}{interval}", change.n))
    _print_table(rows)
    return 0


def print_summary(summary: dict[str, Any]) -> None:
    """Every number of every task, the official ones marked."""
    print(f"{headline(summary)}  rules: {summary['rules']}")
    rows: list[tuple[object, ...]] = [("", "* official", "value (95 %)", "n")]
    for task in summary["tasks"].values():
        for column in columns_of(task["axes"]):
            number = task["numbers"][column.name]
            whose = definition(column, task["axes"], summary["rules"])
            mark = "* " if whose == "official" else "  "
            rows.append((task["title"], mark + column.title, number_text(number), number["n"]))
        for reason, count in task["missing"].items():
            rows.append((task["title"], f"  missing: {reason}", "", count))
    _print_table(rows)


def _prepare(
    folder: RunFolder, options: argparse.Namespace, target: dict[str, Any]
) -> list[Sample]:
    """The run's plan, written down, and its samples."""
    data, settings = _data(folder, options)
    tasks, limit = options.tasks or (), options.limit
    plan = plan_run(options.suite, data, target, settings, tasks=tasks, limit=limit)
    return begin(folder, plan)


def _data(folder: RunFolder, options: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Where the recordings lie; our own scenes are spoken first."""
    if options.suite != "builtin":
        if options.data is None:
            raise ConfigError(f"{options.suite} needs --data, the folder of your download")
        return options.data, {"tasks": options.tasks or "all", "limit": options.limit}
    try:
        config = BuiltinConfig(count=options.n, seed=options.seed, tasks=tuple(options.tasks or ()))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    data = options.data or folder.path.parent / f"bench-scenes-{config.seed}"
    with tqdm(total=config.num_scenes, desc="speaking scenes", unit="scene") as bar:
        speak_scenes(data, config, bar.update)
    return data, config.facts()


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--limit", type=_number, metavar="N", help="the first N of each task")
    parser.add_argument(
        "--n",
        type=_number,
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
    parser.add_argument("--token", help="of a gateway that wants one")
    parser.add_argument(
        "--policy",
        choices=("off", "shadow", "on"),
        default="off",
        help="turn-taking control, in process (default: off)",
    )
    parser.add_argument("--only-play", action="store_true", help="stop after the first stage")
    _add_asr_argument(parser, default="auto")
    _add_score_arguments(parser)
    add_model_arguments(parser)
    add_prompt_arguments(parser)


def _number(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def _add_asr_argument(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--asr",
        default=default,
        metavar="SOURCE",
        help="where words come from: whisper (tiny.en from its wheel), whisper:DIR, text (the "
        "model's own), given:DIR, parakeet (NeMo), none; auto is whisper where it is installed, "
        "else text (default: auto)",
    )


def _add_score_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--compat",
        default=CORRECTED.name,
        metavar="RULES",
        help=f"which arithmetic: {', '.join(RULES)} (default: %(default)s)",
    )
    parser.add_argument(
        "--upstream",
        type=Path,
        metavar="DIR",
        help="your checkout of Full-Duplex-Bench, for the distribution of people's backchannels",
    )


def _stage(
    stages: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    text: str,
    description: str | None = None,
) -> argparse.ArgumentParser:
    parser = stages.add_parser(
        name,
        help=text,
        description=description or text.capitalize() + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=function)
    return parser


def _open(options: argparse.Namespace) -> Target:
    given = {"role": options.role, "voice": options.voice}
    session: dict[str, Any] = {name: value for name, value in given.items() if value}
    if options.policy != "off":
        session["policy"] = options.policy
    config = InProcessConfig(
        model=options.model,
        adapter=options.adapter,
        device=options.device,
        num_slots=options.slots,
        threads=options.threads,
        session=session,
        voices=options.voices or default_root(),
    )
    wanted = TargetOptions(in_process=config, token=options.token, num_lanes=options.slots)
    return open_target(options.target, wanted)


def _play(folder: RunFolder, samples: Sequence[Sample], target: Target) -> None:
    with tqdm(total=seconds_left(folder, samples), desc="playing", bar_format=_SECONDS_BAR) as bar:
        play_samples(folder, samples, target, bar.update, _print_failure)


def _recognise(folder: RunFolder, samples: Sequence[Sample], name: str) -> None:
    from voiceagent.bench.recognise import open_source, recognise_samples

    source = open_source(name)
    if source is None:
        return
    with _bar(len(samples), f"words: {source.facts['recogniser']}", "recording") as bar:
        recognise_samples(folder, samples, source, bar.update, _print_failure)


def _score(folder: RunFolder, options: argparse.Namespace) -> dict[str, Any]:
    rules = rules_named(options.compat)
    with _bar(len(folder.plan().keys), "scoring", "recording") as bar:
        summary = score_run(folder, rules, options.upstream, bar.update)
    print_summary(summary)
    return summary


def _report(folder: RunFolder, output: Path) -> None:
    from voiceagent.bench.listen import player
    from voiceagent.bench.speech import SpeechFinder

    finder = SpeechFinder()
    samples = {sample.key: sample for sample in planned_samples(folder.plan())}

    def player_of(row: dict[str, Any]) -> str:
        sample = samples[f"{row['task']}/{row['id']}"]
        recognised = folder.recognised(sample.key)
        path = folder.inside(sample.key, "output.wav")
        return player(sample, path, recognised.words if recognised else (), finder)

    text = render(read_summary(folder), read_rows(folder), player_of)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{output}: cannot be written ({error.strerror})") from error
    print(output)


@contextlib.contextmanager
def _bar(total: int, name: str, unit: str) -> Iterator[tqdm[Any]]:
    """A progress bar with the time left; what is printed meanwhile stands above it."""
    with tqdm(total=total, desc=name, unit=unit, disable=not total) as bar:
        yield bar


def _print_failure(key: str, reason: str) -> None:
    tqdm.write(f"{key}: {reason}")


def _print_table(rows: Sequence[Sequence[object]]) -> None:
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())
