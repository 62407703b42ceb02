"""`voiceagent bench`: how well an agent converses, by Full-Duplex-Bench; stage by stage."""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from voiceagent.bench.compare import compare_rows, disagreements
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.report import render
from voiceagent.bench.rules import rules_named
from voiceagent.bench.runner import play_samples, seconds_left, unplayed
from voiceagent.bench.sharing import Share, Stage, run_shared
from voiceagent.bench.stages import begin, plan_run, read_rows, read_summary, score_run
from voiceagent.bench.suites import planned_samples
from voiceagent.bench.targets.factory import check_reachable, open_target
from voiceagent.bench.verdicts import judge_samples, read_prompts
from voiceagent.cli.bench_options import (
    add_asr_argument,
    add_judge_arguments,
    add_processes_argument,
    add_run_arguments,
    add_score_arguments,
    add_upstream_argument,
    data_of,
    default_processes,
    open_judge_of,
    playing_processes,
    target_options_of,
)
from voiceagent.cli.bench_tables import print_comparison, print_summary
from voiceagent.errors import BenchError, ConfigError

if TYPE_CHECKING:
    from voiceagent.bench.judge import Judge
    from voiceagent.bench.prompts import Prompt
    from voiceagent.bench.recognise import WordSource
    from voiceagent.bench.suite import Sample
    from voiceagent.bench.targets.base import Target

DESCRIPTION = """\
Score an agent on Full-Duplex-Bench: pauses, backchannels, turns, interruptions, overlaps.

  voiceagent bench                               the embedded model on our own scenes, right here,
                                                 with turn-taking as it is served
  voiceagent bench run fdb-v1 --data DIR         a set that you downloaded; DIR holds its folders
  voiceagent bench run fdb-v1.5 --data DIR --target replay:OUTPUTS     recordings that you have
  voiceagent bench asr RUN --asr parakeet        recognise what was said once more, otherwise
  voiceagent bench judge RUN --judge URL --judge-model NAME --upstream DIR     ratings and tags
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
JUDGE_DESCRIPTION = """\
Ask a language model what the official scripts ask one: how well the reply to an interruption fits
it (fdb-v1), what was done about an overlap (fdb-v1.5). Then: voiceagent bench score RUN.

Questions are read from your checkout of Full-Duplex-Bench (--upstream). Each is asked once: answers
are kept in RUN with the judge's name, seed and URL, and asked again only if the words or the judge
have changed. --asr recognises what the user says, where the data does not tell.
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
    add_run_arguments(run_parser)
    parser.set_defaults(run=lambda _: run(run_parser.parse_args(["builtin"])))
    asr = _stage(stages, "asr", run_asr, "recognise what the agent of a run said")
    judge = _stage(stages, "judge", run_judge, "ask a judge about a run", JUDGE_DESCRIPTION)
    score = _stage(stages, "score", run_score, "score a run, or score it by other rules")
    report = _stage(stages, "report", run_report, "a run as one HTML file")
    compare = _stage(stages, "compare", run_compare, "two runs, recording by recording")
    for stage in (asr, judge, score, report, compare):
        stage.add_argument("out", type=Path, metavar="RUN", help="folder of the run")
    for stage in (asr, judge):
        add_asr_argument(stage)
    add_processes_argument(asr)
    add_judge_arguments(judge)
    add_upstream_argument(judge)
    add_score_arguments(score)
    report.add_argument(
        "--output", type=Path, metavar="FILE", help="the page (default: RUN/report.html)"
    )
    compare.add_argument("other", type=Path, metavar="OTHER", help="folder of the second run")


def run(options: argparse.Namespace) -> int:
    """All stages; what cannot work is refused before anything is made."""
    from voiceagent.bench.recognise import open_source

    folder = RunFolder(options.out or Path(f"bench-{options.suite}"))
    rules_named(options.compat)
    judge = open_judge_of(options)
    source = None if options.only_play else open_source(options.asr)
    reopen = functools.partial(open_target, options.target, target_options_of(options))
    target = reopen()
    check_reachable(options.target)
    print(f"{options.suite} on {options.target}, in {folder.path}")
    try:
        samples = _prepare(folder, options, target.facts)
        prompts = read_prompts(samples, options.upstream) if judge is not None else {}
        _play(folder, samples, Stage(play_samples, target, reopen), playing_processes(options))
    finally:
        target.close()
    if options.only_play:
        return 0
    _recognise(folder, samples, source, options)
    if judge is not None:
        _judge(folder, samples, judge, source, prompts)
    summary = _score(folder, options)
    _report(folder, folder.path / "report.html")
    return 0 if summary["is_whole"] else PARTIAL


def run_asr(options: argparse.Namespace) -> int:
    """The second stage."""
    from voiceagent.bench.recognise import open_source

    folder = RunFolder(options.out)
    _recognise(folder, planned_samples(folder.plan()), open_source(options.asr), options)
    return 0


def run_judge(options: argparse.Namespace) -> int:
    """The stage that asks somebody else."""
    from voiceagent.bench.recognise import open_source

    folder, judge = RunFolder(options.out), open_judge_of(options)
    if judge is None:
        raise ConfigError("name a judge: --judge URL --judge-model NAME --upstream DIR")
    samples = planned_samples(folder.plan())
    prompts = read_prompts(samples, options.upstream)
    _judge(folder, samples, judge, open_source(options.asr), prompts)
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
    print_comparison(compare_rows(*(read_rows(folder) for folder in folders)))
    return 0


def _prepare(
    folder: RunFolder, options: argparse.Namespace, target: dict[str, Any]
) -> list[Sample]:
    """The run's plan, written down, and its samples."""
    data, settings = data_of(options, folder.path.parent)
    tasks, limit = options.tasks or (), options.limit
    plan = plan_run(options.suite, data, target, settings, tasks=tasks, limit=limit)
    return begin(folder, plan)


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


def _play(
    folder: RunFolder, samples: Sequence[Sample], stage: Stage[Target], processes: int
) -> None:
    share = Share(unplayed(folder, samples), processes)
    total_s = math.ceil(seconds_left(folder, samples))
    with tqdm(total=total_s, desc="playing", bar_format=_SECONDS_BAR) as bar:
        run_shared(folder, samples, stage, share, bar.update, _print_failure)


def _recognise(
    folder: RunFolder,
    samples: Sequence[Sample],
    source: WordSource | None,
    options: argparse.Namespace,
) -> None:
    from voiceagent.bench.recognise import is_slow, open_source, recognise_samples, unrecognised

    if source is None:
        return
    stage = Stage(recognise_samples, source, functools.partial(open_source, options.asr))
    processes = (options.processes or default_processes()) if is_slow(source) else 1
    share = Share(unrecognised(folder, samples, source), processes)
    with _bar(len(samples), f"words: {source.facts['recogniser']}", "recording") as bar:
        run_shared(folder, samples, stage, share, bar.update, _print_failure)


def _judge(
    folder: RunFolder,
    samples: Sequence[Sample],
    judge: Judge,
    source: WordSource | None,
    prompts: Mapping[str, Prompt],
) -> None:
    from voiceagent.bench.recognise import recognise_users

    try:
        if source is not None and "behaviour" in prompts:
            with _bar(len(samples), "words of the users", "recording") as bar:
                recognise_users(folder, samples, source, bar.update, _print_failure)
        with _bar(len(samples), f"judge: {judge.config.model}", "recording") as bar:
            judge_samples(folder, samples, judge, prompts, bar.update, _print_failure)
    finally:
        judge.close()


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
