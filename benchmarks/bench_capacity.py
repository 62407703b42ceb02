"""How much conversation this machine holds, and what each costs.

  calls     through gateway, engine and model, callers on the same cores; CPU of each part
  sessions  of the engine alone on one thread, in real time and out of step
  length    a step's time by number of sessions and by how long they are
  join      from asking for a session to having it, and to its first frame, while others talk
  hour      45,000 steps of a small random Moshi: time, memory, and whether its prompt still counts

Calls and sessions are held when, over the whole time, the 99th percentile of a step stays below
80 ms and nothing is lost (99 of 100 packets at every caller, every frame of the engine); numbers go
up until one is not held.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from typing import Any

import capacity_calls as calls
import capacity_engine as engine
import capacity_hour as hour
from capacity_callers import encode_question
from harness import finish, make_parser, print_card, print_table, start
from tqdm import tqdm

CALLS = (1, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32)
SESSIONS = (4, 8, 12, 16, 24, 32, 48)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(item) for item in text.split(","))


def arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS))
    parser.add_argument("--model", default="nano", help="for sessions, length and join")
    parser.add_argument(
        "--seconds", type=int, default=120, help="that each number is held (default: 120)"
    )
    for name, numbers in (("calls", CALLS), ("sessions", SESSIONS)):
        text = ",".join(map(str, numbers))
        parser.add_argument(
            f"--{name}", type=_numbers, default=numbers, help=f"to try, rising (default: {text})"
        )
    return parser.parse_args()


def climb(
    numbers: tuple[int, ...],
    hold: Callable[[int], dict[str, Any]],
    is_held: Callable[[dict[str, Any]], bool],
) -> dict[str, Any]:
    """Try rising numbers until one is not held."""
    rows: list[dict[str, Any]] = []
    most = 0
    for number in numbers:
        rows.append(hold(number))
        tqdm.write(f"{number}: {'held' if is_held(rows[-1]) else 'not held'}")
        if not is_held(rows[-1]):
            break
        most = number
    _print(rows)
    print(f"held: {most}\n")
    return {"rows": rows, "held": most}


def _print(rows: list[dict[str, Any]]) -> None:
    print_table(list(rows[0]), [list(row.values()) for row in rows])


def measure_calls(options: argparse.Namespace) -> dict[str, Any]:
    packets = encode_question()
    found = climb(
        options.calls,
        lambda number: asyncio.run(calls.hold(number, options.seconds, packets)),
        calls.is_held,
    )
    one = found["rows"][0]
    for part in ("gateway", "engine", "callers"):
        share = one[f"{part}_cpu_percent"] / one["calls"]
        print(f"{part}: {share:.1f} % of a core per call, at {one['calls']} call(s)")
    return found


def measure_sessions(options: argparse.Namespace) -> dict[str, Any]:
    return climb(
        options.sessions,
        lambda number: engine.hold(options.model, number, options.seconds),
        engine.is_held,
    )


def measure_length(options: argparse.Namespace) -> dict[str, Any]:
    rows = engine.cost_by_length(options.model, [1, 2, 4, 8, 16, 32])
    _print(rows)
    return {"rows": rows}


def measure_join(options: argparse.Namespace) -> dict[str, Any]:
    rows = [engine.join_latency(options.model, others) for others in (0, 3, 7)]
    _print(rows)
    return {"rows": rows}


def measure_hour(options: argparse.Namespace) -> dict[str, Any]:
    found = hour.measure(hour.small_decoder())
    print_table(["what", "found"], list(found.items()))
    return found


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "calls": measure_calls,
    "sessions": measure_sessions,
    "length": measure_length,
    "join": measure_join,
    "hour": measure_hour,
}


def main() -> None:
    options = arguments()
    start(options)
    print_card(
        "capacity",
        {
            "cores": len(os.sched_getaffinity(0)),
            "held": f"{options.seconds} s, step p99 < {calls.DEADLINE_MS} ms, nothing lost",
            "callers": "on the same cores, asking a question every 5.8 s",
        },
    )
    results = {part: PARTS[part](options) for part in options.only}
    config = {"model": options.model, "seconds": options.seconds}
    finish("capacity", config, results, options)


if __name__ == "__main__":
    main()
