"""How good a trained nano model is: every figure of its model card, each with n and an interval.

Free running through the engine that serves, held-out seeds, and voices that no training run has
(`make peers`). `--model` is a folder that `voiceagent train nano` wrote; `--against` one to compare
the cost of a step with. Nothing is tuned on these seeds. `--scale .1` for a look.

Every figure is appended to `--out` as soon as it is there, so that what is cut short loses little,
and several processes may share the file, each with figures of its own (`--only`). Then
`--card FOLDER` measures nothing: it writes the newest of each figure in `--out` into that model's
card.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import RESULTS, make_parser, print_card, print_table, record, start
from nano_answers import measure_conditions, measure_facts, measure_outside, measure_voices
from nano_card import write_card
from nano_sound import measure_answers_sound, measure_codec, measure_step
from nano_turns import (
    measure_age,
    measure_calls,
    measure_holds,
    measure_nothing,
    measure_overlaps,
    measure_pauses,
)
from peer_voices import restart_voices
from talk_answers import UNSEEN

from voiceagent.errors import VoiceAgentError
from voiceagent.model.checkpoint import NANO_FOLDER

# figure -> what is wanted of it
WANTED = {
    "calls": "in-domain exact >= .97, user WER <= .05, first word p50 / p90 <= 300 / 400 ms",
    "voices": "exact >= .97 (Kokoro, Piper), >= .95 (kal); human digits / pairs >= .95 / .90",
    "conditions": "noise >= .98 / .95 / .90, babble >= .85, room >= .95, G.711 >= .97",
    "facts": "time and day as on the server's clock",
    "outside": "refused >= .95, human prompts >= .90",
    "overlaps": "finished >= .8, backchannels >= .97; yields p50 / p90 <= 320 / 400 ms",
    "pauses": "cut off <= .03",
    "holds": "forced after .5 / 1 / 2 s: right >= .97 each; let go: nothing",
    "age": "minute 10 like minute 1",
    "nothing": "no word in 10 min each of noise, music, silence",
    "sound": "Whisper word accuracy >= .985",
    "codec": "STOI / PESQ >= .92 / 1.6",
    "step": "no slower than the other model",
}
COUNT = 200
LONG_CALL_VOICES = (
    *("kokoro:mix-0", "piper:joe", "flite:kal", "hibari:warp-1"),
    *("kokoro:mix-1", "kokoro:mix-2", "kokoro:mix-3", "hibari:warp-2"),
)


def main() -> None:
    """Measure what was asked for."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--model", default="nano", help="a model folder (default: the shipped one)")
    parser.add_argument("--against", default="nano", help="compare a step's time with this model")
    parser.add_argument("--only", nargs="+", choices=WANTED, default=list(WANTED))
    parser.add_argument("--scale", type=float, default=1.0, help="of every count (default: 1)")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--card", type=Path, help="write the figures of --out into this folder")
    options = parser.parse_args()
    if options.card is not None:
        return write_card(options.card, options.out or RESULTS / "nano.jsonl")
    start(options)
    print_card("bench_nano: a trained model, figure by figure", WANTED)
    model = str(NANO_FOLDER) if options.model == "nano" else options.model
    count, seed = max(4, round(COUNT * options.scale)), options.seed
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "calls": lambda: measure_calls(model, max(4, count // 2)),
        "voices": lambda: measure_voices(model, UNSEEN, count, seed),
        "conditions": lambda: measure_conditions(model, "kokoro", count // 2, seed),
        "facts": lambda: measure_facts(model, count // 2, seed),
        "outside": lambda: measure_outside(model, count, seed),
        "overlaps": lambda: measure_overlaps(model, count // 2, seed),
        "pauses": lambda: measure_pauses(model, count // 2, seed),
        "holds": lambda: measure_holds(model, count // 4, seed),
        "age": lambda: measure_age(model, seed, LONG_CALL_VOICES[: max(1, count // 25)]),
        "nothing": lambda: measure_nothing(model, seed, max(1, round(10 * options.scale))),
        "sound": lambda: measure_answers_sound(model, count // 2, seed),
        "codec": lambda: measure_codec(model, count // 4, seed),
        "step": lambda: measure_step({"model": model, "against": options.against}),
    }
    config = {
        "model": Path(model).name,
        "seed": seed,
        "count": count,
        "judge": "whisper tiny.en int8",
    }
    results, seconds = {}, {}
    try:
        for name in options.only:
            restart_voices()
            begin_s = time.process_time()
            results[name] = measures[name]()
            seconds[name] = round(time.process_time() - begin_s)
            show(name, results[name])
            taken = {"cpu_s": {name: seconds[name]}}
            record("nano", config | taken, {name: results[name]}, options)
    except VoiceAgentError as error:
        sys.exit(f"bench_nano: {error}")
    options.out = None  # it holds them already
    print(record("nano", config | {"cpu_s": seconds}, results, options))


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
