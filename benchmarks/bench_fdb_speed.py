"""How long `voiceagent bench` takes for a set as large as Full-Duplex-Bench v1: playing, scoring.

727 recordings of 10 to 30 s, mean 20 s, in the official folders and proportions: scenes of ours one
after another. nano plays them in two processes, eight at once in each, and tells its words, so no
recogniser is involved; then the first 500 are scored.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness import finish, make_parser, print_card, print_table, start
from tqdm import tqdm

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.audio.wav import write_wav
from voiceagent.bench.fdb import FDB_V1
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.recognise import OwnText, recognise_samples
from voiceagent.bench.runner import play_samples, seconds_left
from voiceagent.bench.score import Scoring
from voiceagent.bench.sharing import Share, Stage, run_shared
from voiceagent.bench.stages import begin, plan_run, score_samples
from voiceagent.bench.suite import Sample
from voiceagent.bench.targets.in_process import InProcessConfig, InProcessTarget
from voiceagent.scenes import SCENE_CLASSES, make_script, render

OFFICIAL_COUNT, SCORED = 727, 500
SHORTEST_S, LONGEST_S = 10.0, 30.0
NUM_SLOTS = 8
#: Of what the recordings are strung together.
SCENES = 48
PLAYING_LIMIT_S, SCORING_LIMIT_S = 30 * 60, 2 * 60


def main() -> None:
    """Make, play, score; each timed."""
    options = arguments()
    start(options)
    count = options.count
    facts = {
        "recordings": f"{count}, mean {(SHORTEST_S + LONGEST_S) / 2:g} s",
        "expect": f"727 played in {PLAYING_LIMIT_S // 60} min, 500 scored in "
        f"{SCORING_LIMIT_S // 60} min",
    }
    print_card("bench_fdb_speed: a set of official size", facts)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        results = measure(Path(scratch), options)
    print_table(("", "recordings", "took s", "of the official size s", "limit s"), results["rows"])
    config = {"count": count, "slots": NUM_SLOTS, "processes": options.processes}
    finish("fdb_speed", config, results["figures"], options)


def arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument(
        "--count", type=int, default=OFFICIAL_COUNT, help="recordings (default: 727)"
    )
    parser.add_argument("--processes", type=int, default=2, help="that play (default: 2)")
    parser.add_argument("--scratch", type=Path, help="folder for 2 GB (default: the system's)")
    return parser.parse_args()


def measure(scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    folder = RunFolder(scratch / "run")
    make_data(scratch / "data", options.count)
    in_process = InProcessConfig(num_slots=NUM_SLOTS, threads=options.threads)
    reopen = functools.partial(InProcessTarget, in_process)
    target = reopen()
    samples = begin(folder, plan_run("fdb-v1", scratch / "data", target.facts, {}))
    total_s = seconds_left(folder, samples)
    begin_s = time.perf_counter()
    stage, share = Stage(play_samples, target, reopen), Share(samples, options.processes)
    with tqdm(total=round(total_s), desc="playing") as bar:
        run_shared(folder, samples, stage, share, bar.update, print)
    playing_s = time.perf_counter() - begin_s
    recognise_samples(folder, samples, OwnText(), lambda: None, lambda *_: None)
    scored = samples[: round(SCORED * options.count / OFFICIAL_COUNT)]
    scoring_s = score_all(folder, scored)
    figures = {
        "recorded_s": round(total_s),
        "playing_s": round(playing_s, 1),
        "scored": len(scored),
        "scoring_s": round(scoring_s, 1),
    }
    scale = OFFICIAL_COUNT / options.count
    rows = [
        ("playing", len(samples), figures["playing_s"], round(playing_s * scale), PLAYING_LIMIT_S),
        ("scoring", len(scored), figures["scoring_s"], round(scoring_s * scale), SCORING_LIMIT_S),
    ]
    return {"rows": rows, "figures": figures}


def score_all(folder: RunFolder, samples: Sequence[Sample]) -> float:
    """Seconds."""
    scoring = Scoring()
    begin_s = time.perf_counter()
    for _ in tqdm(score_samples(folder, samples, scoring), "scoring", total=len(samples)):
        pass
    return time.perf_counter() - begin_s


def make_data(data: Path, count: int) -> None:
    """Recordings in the official folders, as many in each as its share of all."""
    rng = np.random.default_rng(0)
    pool = [
        render(make_script(SCENE_CLASSES[i % len(SCENE_CLASSES)], i)).user
        for i in tqdm(range(SCENES), desc="speaking")
    ]
    for task in FDB_V1:
        for index in range(max(1, round((task.num_official or 0) * count / OFFICIAL_COUNT))):
            target = data / task.name / str(index)
            target.mkdir(parents=True)
            duration_s = float(rng.uniform(SHORTEST_S, LONGEST_S))
            write_wav(target / "input.wav", strung(rng, pool, duration_s))
            event = [duration_s / 2, duration_s / 2 + 1]
            documents = {
                "pause.json": [{"timestamp": event}],
                "turn_taking.json": [{"timestamp": event}],
                "interrupt.json": [{"context": "", "interrupt": "", "timestamp": event}],
            }
            for name, document in documents.items():
                (target / name).write_text(json.dumps(document))


def strung(rng: np.random.Generator, pool: list[Samples], duration_s: float) -> Samples:
    """Scenes one after another up to a length; f32[N]."""
    length, parts = round(duration_s * SAMPLE_RATE_HZ), [np.zeros(0, np.float32)]
    while sum(map(len, parts)) < length:
        parts.append(pool[int(rng.integers(len(pool)))])
    return np.concatenate(parts)[:length]


if __name__ == "__main__":
    main()
