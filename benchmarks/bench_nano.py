"""How good a trained nano model is: every figure of its model card, each with n and an interval.

Free running through the engine that serves, held-out seeds, and voices that no training run has
(`make peers`). `--model` is a folder that `voiceagent train nano` wrote; `--against` one to compare
the cost of a step with. Nothing is tuned on these seeds. `--quick` gives the figures that tell
models apart, with a quarter of the questions, in two minutes.

What people say is spoken once and kept (`speech_cache`): `--speak` only fills the cache. Every
figure is appended to `--out` as soon as it is there, so that what is cut short loses little;
several processes (`--workers`, or `--only` by hand) may share the file. Then `--card FOLDER`
measures nothing: it writes the newest of each figure in `--out` into that model's card.
`--only control` plays nothing to the model: Whisper base hears the same recordings.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from harness import RESULTS, make_parser, print_card, print_table, record, start
from nano_answers import (
    CONDITIONS,
    QUICK_CONDITIONS,
    QUICK_VOICES,
    VOICES,
    measure_conditions,
    measure_facts,
    measure_outside,
    measure_voices,
)
from nano_card import LINES, write_card
from nano_control import WhisperPlayer, measure_control
from nano_play import AllSpoken, Player
from nano_sound import measure_answers_sound, measure_codec, measure_step
from nano_turns import (
    measure_age,
    measure_calls,
    measure_holds,
    measure_nothing,
    measure_overlaps,
    measure_pauses,
)

from voiceagent.errors import VoiceAgentError
from voiceagent.model.checkpoint import NANO_FOLDER
from voiceagent.serving.device import use_threads

# figure -> what is wanted of it; those that take longest first
WANTED = {
    "overlaps": "finished >= .8, backchannels >= .97; yields p50 / p90 <= 320 / 400 ms",
    "voices": "exact >= .97 (Kokoro, Piper), >= .95 (kal); human digits / pairs >= .95 / .90",
    "conditions": "noise >= .98 / .95 / .90, babble >= .85, room >= .95, G.711 >= .97",
    "age": "minute 10 like minute 1",
    "sound": "Whisper word accuracy >= .985",
    "calls": "in-domain exact >= .97, user WER <= .05, first word p50 / p90 <= 300 / 400 ms",
    "codec": "STOI / PESQ >= .92 / 1.6",
    "nothing": "no word in 10 min each of noise, music, silence",
    "holds": "forced after .5 / 1 / 2 s: right >= .97 each; let go: nothing",
    "outside": "refused >= .95, human prompts >= .90",
    "facts": "time and day as on the server's clock",
    "pauses": "cut off <= .03",
    "step": "no slower than the other model",
}
#: Besides, for those who ask for it: eleven minutes of one core.
CONTROL = {"control": "word errors of Whisper base in the same recordings"}
QUICK = ("calls", "voices", "conditions", "outside", "nothing")
QUICK_SCALE = 0.25
#: Times itself, so nothing else may run.
ALONE = "step"
COUNT = 200
LONG_CALL_VOICES = (
    *("piper:joe", "flite:kal", "hibari:warp-1", "kokoro:mix-0"),
    *("flite:kal x1.15", "flite:kal x0.87", "hibari:warp-2", "piper:joe"),
)


def main() -> None:
    """Measure what was asked for."""
    options = arguments()
    if options.card is not None:
        return write_card(options.card, options.out or RESULTS / "nano.jsonl")
    start(options)
    print_card("bench_nano: a trained model, figure by figure", WANTED)
    results, seconds = {}, {}
    begin_s = time.perf_counter()
    try:
        for name, row, cpu_s in measured(options):
            results[name], seconds[name] = row, round(cpu_s)
            show(name, row)
            if not options.speak:
                taken = {"cpu_s": {name: seconds[name]}}
                record("nano", configuration(options) | taken, {name: row}, options)
    except VoiceAgentError as error:
        sys.exit(f"bench_nano: {error}")
    rows = [line.cells(results) for line in LINES if line.place[0] in results]
    print_table(("figure", "n", "measured (95 %)", "wanted", "met"), rows)
    wall_s = {"wall_s": round(time.perf_counter() - begin_s)}
    options.out = None  # it holds them already
    print(record("nano", configuration(options) | {"cpu_s": seconds} | wall_s, results, options))


def arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--model", default="nano", help="a model folder (default: the shipped one)")
    parser.add_argument("--against", default="nano", help="compare a step's time with this model")
    parser.add_argument("--only", nargs="+", choices=[*WANTED, *CONTROL], default=list(WANTED))
    parser.add_argument("--scale", type=float, default=1.0, help="of every count (default: 1)")
    parser.add_argument("--quick", action="store_true", help="the most telling figures, at .25")
    parser.add_argument("--workers", type=int, default=1, help="figures at once (default: 1)")
    parser.add_argument("--speak", action="store_true", help="fill the cache of speech, no more")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--card", type=Path, help="write the figures of --out into this folder")
    options = parser.parse_args()
    if options.quick:
        options.only, options.scale = list(QUICK), QUICK_SCALE
    # the longest first
    options.only = [name for name in (*WANTED, *CONTROL) if name in options.only]
    return options


def configuration(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "model": Path(options.model).name,
        "seed": options.seed,
        "count": counted(options),
        "judge": "whisper base int8",
    }


def counted(options: argparse.Namespace) -> int:
    return max(4, round(COUNT * options.scale))


def measured(options: argparse.Namespace) -> Iterator[tuple[str, Any, float]]:
    """Each figure with its result and its CPU seconds, as they come."""
    together = [name for name in options.only if name != ALONE]
    if options.workers > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(options.workers, context) as pool:
            for done in as_completed([pool.submit(measure, name, options) for name in together]):
                yield done.result()
    else:
        yield from (measure(name, options) for name in together)
    if ALONE in options.only and not options.speak:
        yield measure(ALONE, options)


def measure(name: str, options: argparse.Namespace) -> tuple[str, Any, float]:
    """Measure one figure, perhaps in a process of its own."""
    use_threads(options.threads)
    model = NANO_FOLDER if options.model == "nano" else Path(options.model)
    count, seed = counted(options), options.seed
    many, half, few = count, max(4, count // 2), max(4, count // 4)
    measures: dict[str, Callable[[Player], dict[str, Any]]] = {
        "calls": lambda player: measure_calls(player, half),
        "voices": lambda player: measure_voices(
            player, many, seed, QUICK_VOICES if options.quick else VOICES
        ),
        "conditions": lambda player: measure_conditions(
            player, half, seed, QUICK_CONDITIONS if options.quick else CONDITIONS
        ),
        "facts": lambda player: measure_facts(player, half, seed),
        "outside": lambda player: measure_outside(player, many, seed),
        "overlaps": lambda player: measure_overlaps(player, half, seed),
        "pauses": lambda player: measure_pauses(player, half, seed),
        "holds": lambda player: measure_holds(player, few, seed),
        "age": lambda player: measure_age(player, seed, LONG_CALL_VOICES[: max(1, many // 25)]),
        "nothing": lambda player: measure_nothing(player, seed, max(1, many // 20)),
        "sound": lambda player: measure_answers_sound(player, half, seed),
        "codec": lambda player: measure_codec(player, few, seed),
        "step": lambda player: measure_step(player, options.against),
        "control": lambda player: measure_control(WhisperPlayer(player.model), half, seed),
    }
    begin_s = time.process_time()
    try:
        row = measures[name](Player(None if options.speak else model))
    except AllSpoken:
        row = {"spoken": True}
    return name, row, time.process_time() - begin_s


def show(name: str, row: dict[str, Any]) -> None:
    """Print one figure, a line per condition where there are several."""
    rows = row if all(isinstance(value, dict) for value in row.values()) else {name: row}
    columns = dict.fromkeys(
        key for values in rows.values() for key in values if key not in ("wrong",)
    )
    table = [
        (label, *(_cell(values.get(key)) for key in columns)) for label, values in rows.items()
    ]
    print_table((name, *columns), table)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " / ".join(f"{number:g}" for number in value.values())
    if isinstance(value, list | tuple):
        return "-".join(f"{number:g}" for number in value)
    return "-" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)


if __name__ == "__main__":
    main()
