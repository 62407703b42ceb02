"""The builtin suite of `voiceagent bench`: nano without and with turn-taking, and the cascade.

Every agent has the same scenes, is heard by the same recogniser and scored by the same rules; one
document each, with how long playing, recognising and scoring took, and after them a difference
scene by scene, with turn-taking against without. Can be stopped: the same command goes on where it
was, from the runs in --keep.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import functools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness import finish, make_parser, print_card, print_table, record, start
from tqdm import tqdm

from voiceagent.bench.builtin import BuiltinConfig, speak_scenes
from voiceagent.bench.compare import compare_rows
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.recognise import open_source, recognise_samples, unrecognised
from voiceagent.bench.runner import play_samples, seconds_left, unplayed
from voiceagent.bench.sharing import Share, Stage, run_shared
from voiceagent.bench.stages import begin, plan_run, read_rows, score_run
from voiceagent.bench.suite import Sample
from voiceagent.bench.targets.base import Target
from voiceagent.bench.targets.factory import TargetOptions, open_target
from voiceagent.bench.targets.in_process import InProcessConfig
from voiceagent.errors import VoiceAgentError

#: Name -> target and policy.
AGENTS = {
    "nano-off": ("in-process", "off"),
    "nano-shadow": ("in-process", "shadow"),
    "nano-on": ("in-process", "on"),
    "cascade": ("cascade", "off"),
}
#: In each process; more take no less time a conversation on one core.
NUM_SLOTS = 16
#: What the printed table has of each task; the documents have all.
SHOWN = ("good", "behaves", "right", "tor", "latency_s", "stop_s")


def main() -> None:
    """All agents, then the difference."""
    options = arguments()
    start(options)
    config = BuiltinConfig(count=options.n, seed=options.seed)
    facts = {
        "scenes": f"{config.num_scenes}, seed {config.seed}",
        "words": options.asr,
        "expect": "shadow as off to the last number; on no worse than off in any class",
    }
    print_card("bench_fdb: the builtin suite", facts)
    data = options.keep / f"scenes-{config.seed}"
    try:
        with tqdm(total=config.num_scenes, desc="speaking scenes") as bar:
            speak_scenes(data, config, bar.update)
        folders = {name: run(name, data, config, options) for name in options.agents}
    except VoiceAgentError as error:
        sys.exit(f"bench_fdb: {error}")
    if {"nano-off", "nano-on"} <= set(folders):
        compare(folders["nano-off"], folders["nano-on"], options)


def arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--n", type=int, default=100, help="scenes of each task (default: 100)")
    parser.add_argument("--seed", type=int, default=90_000, help="of the first scene")
    parser.add_argument("--asr", default="whisper", help="as of voiceagent bench")
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=list(AGENTS))
    parser.add_argument(
        "--processes", type=int, default=2, help="that play and recognise (default: 2)"
    )
    keep = Path(tempfile.gettempdir()) / "bench-fdb"
    parser.add_argument(
        "--keep", type=Path, default=keep, help=f"folder of scenes and runs (default: {keep})"
    )
    return parser.parse_args()


def run(name: str, data: Path, config: BuiltinConfig, options: argparse.Namespace) -> RunFolder:
    """One agent through all stages; prints its table and its document."""
    kind, policy = AGENTS[name]
    in_process = InProcessConfig(
        num_slots=NUM_SLOTS, session={"policy": policy}, threads=options.threads
    )
    reopen = functools.partial(open_target, kind, TargetOptions(in_process=in_process))
    target, folder = reopen(), RunFolder(options.keep / name)
    samples = begin(folder, plan_run("builtin", data, target.facts, config.facts()))
    is_resumed = len(unplayed(folder, samples)) < len(samples)
    took: dict[str, float] = {}
    with timed(took, "playing_s"):
        play(folder, samples, Stage(play_samples, target, reopen), f"{name}: playing", options)
    target.close()
    with timed(took, "recognising_s"):
        recognise(folder, samples, name, options)
    with timed(took, "scoring_s"), tqdm(total=len(samples), desc=f"{name}: scoring") as bar:
        summary = score_run(folder, on_sample=bar.update)
    show(name, summary)
    results = {task: found["numbers"] for task, found in summary["tasks"].items()}
    kept = ("rules", "words_from", "detector", "target", "is_whole")
    results["took"] = None if is_resumed else took  # else it is of a part only
    made_with = {"n": options.n, "seed": options.seed, **{key: summary[key] for key in kept}}
    print(record("fdb_builtin", {"agent": name, **made_with}, results, options))
    return folder


def play(
    folder: RunFolder,
    samples: Sequence[Sample],
    stage: Stage[Target],
    name: str,
    options: argparse.Namespace,
) -> None:
    share = Share(unplayed(folder, samples), options.processes)
    with tqdm(total=round(seconds_left(folder, samples)), desc=name) as bar:
        run_shared(folder, samples, stage, share, bar.update, print)


def recognise(
    folder: RunFolder, samples: Sequence[Sample], name: str, options: argparse.Namespace
) -> None:
    """Words; those of sound that another agent made too, to the last sample, are taken from it."""
    reopen = functools.partial(open_source, options.asr)
    source = reopen()
    if source is None:
        return
    for sample in unrecognised(folder, samples, source):
        for other in (RunFolder(options.keep / other) for other in AGENTS if other != name):
            found = other.recognised(sample.key)
            if found and found.source == source.facts and is_same(other, folder, sample):
                folder.set_recognised(sample.key, "", found)
    share = Share(unrecognised(folder, samples, source), options.processes)
    with tqdm(total=len(samples), desc=f"{name}: words") as bar:
        stage = Stage(recognise_samples, source, reopen)
        run_shared(folder, samples, stage, share, bar.update, print)


def is_same(one: RunFolder, other: RunFolder, sample: Sample) -> bool:
    paths = (folder.inside(sample.key, "output.wav") for folder in (one, other))
    return filecmp.cmp(*paths, shallow=False)


@contextlib.contextmanager
def timed(took: dict[str, float], name: str) -> Iterator[None]:
    begin_s = time.perf_counter()
    yield
    took[name] = round(time.perf_counter() - begin_s, 1)


def show(name: str, summary: dict[str, Any]) -> None:
    """A line a task."""
    rows = []
    for task, found in summary["tasks"].items():
        numbers = {**found["numbers"], "behaves": found["numbers"].get(found["wanted"])}
        cells = [(numbers.get(column) or {}).get("value") for column in SHOWN]
        rows.append((task, *("-" if cell is None else f"{cell:.3f}" for cell in cells)))
    print_table((name, *SHOWN), rows)


def compare(off: RunFolder, on: RunFolder, options: argparse.Namespace) -> None:
    """With turn-taking against without, scene by scene; the last document."""
    found = compare_rows(read_rows(off), read_rows(on))
    results: dict[str, Any] = {}
    for each in found:
        change = {"off": each.first, "on": each.second, **each.difference.to_json()}
        results.setdefault(each.task, {})[each.title] = change
    finish("fdb_builtin", {"compared": "nano-on - nano-off", "n": options.n}, results, options)


if __name__ == "__main__":
    main()
