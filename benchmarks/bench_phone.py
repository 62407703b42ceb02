"""How long a sound takes from a telephone to the agent and back, and how many calls fit.

  loop   chirps from a simulated telephone (G.711 and G.722, see `voiceagent.testing.sip_caller`)
         through a real livekit-server to two agents in turn, call by call: `direct` sends every
         10 ms back at once with LiveKit's client and nothing else, `echo` is this project's phone
         worker with the echo engine, which takes frames of 80 ms as every model does. Wanted: the
         median of `echo` at most 100 ms above that of `direct`.
  calls  telephones that ask the embedded model a question every 6 s, more and more of them, until
         the 99th percentile of a step reaches 80 ms, one question in three has no right answer, or
         one frame in fifty comes too late to be played without a gap.

Not in the loop: the SIP service's resampling and mixing, some 100 ms with G.722 and 180 ms with
G.711. Needs livekit-server and redis (`make livekit`). Ten minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
from typing import Any

import phone_calls
from bench_capacity import climb
from harness import finish, make_parser, percentiles, print_card, print_table, start
from phone_loop import call, dialled, direct_agent, echo_worker, temporary_folder
from tqdm import tqdm

from voiceagent.audio.framing import FRAME_MS
from voiceagent.errors import LiveKitUnavailable
from voiceagent.testing.livekit_stack import LiveKitStack, Programs
from voiceagent.testing.phone_worker import PhoneWorker

AGENTS = ("direct", "echo")
BANDS = ("PCMU", "G722")
CALLS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
#: Most the echo engine's loop may be above the direct one's.
ABOVE_DIRECT_MS = 100


def arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS))
    parser.add_argument(
        "--repeats", type=int, default=4, help="calls to each agent over each codec (default: 4)"
    )
    parser.add_argument("--judged-s", type=float, default=6, help="of each call (default: 6)")
    parser.add_argument(
        "--seconds", type=int, default=30, help="that a number of calls is held (default: 30)"
    )
    text = ",".join(map(str, CALLS))
    parser.add_argument(
        "--calls",
        type=lambda text: tuple(map(int, text.split(","))),
        default=CALLS,
        help=f"to try, rising (default: {text})",
    )
    return parser.parse_args()


async def measure_loop(options: argparse.Namespace, programs: Programs) -> dict[str, Any]:
    """Delays by codec and agent, and where those of the echo engine sit."""
    delays: dict[tuple[str, str], list[list[float | None]]] = {
        (band, agent): [] for band in BANDS for agent in AGENTS
    }
    async with (
        temporary_folder() as folder,
        LiveKitStack.running(programs, folder) as livekit,
        echo_worker(livekit, folder / "worker") as worker,
    ):
        plan = [(b, a) for _ in range(options.repeats) for b in BANDS for a in AGENTS]
        for band, agent in tqdm(plan, desc="calls", leave=False):
            if agent == "direct":
                async with direct_agent(livekit):
                    await asyncio.sleep(2)  # to start
                    found = await call(livekit, dialled(agent, band), options.judged_s)
            else:
                found = await call(livekit, dialled(agent, band), options.judged_s)
            delays[band, agent].append(found)
        await worker.until("phone_calls_active", lambda n: n == 0, 5)
        engine_ms = _engine_ms(worker)
    rows = {f"{band} {agent}": _row(calls) for (band, agent), calls in delays.items()}
    return {
        "rows": rows,
        "engine_lag_ms": engine_ms,
        "where": {band: _where(rows, band, engine_ms["p50"]) for band in BANDS},
        "criteria": [_criterion(rows, band) for band in BANDS],
    }


def _engine_ms(worker: PhoneWorker) -> dict[str, float]:
    """From a frame being whole to its answer being back from the engine's process."""
    lags = [frame.lag_us / 1000 for session in worker.sessions() for frame in session.trace[40:]]
    return percentiles(lags, (50, 99))


def _row(calls: list[list[float | None]]) -> dict[str, Any]:
    back = [[delay for delay in call if delay is not None] for call in calls]
    every = [delay for call in back for delay in call]
    return {
        "chirps": sum(map(len, calls)),
        "back": len(every),
        "delay_ms": percentiles(every),
        "p50_ms_of_calls": [round(statistics.median(call), 1) for call in back if call],
    }


def _where(rows: dict[str, Any], band: str, engine_ms: float) -> dict[str, float]:
    """The median of the echo engine's loop, in parts that add up."""
    direct, echo = (rows[f"{band} {agent}"]["delay_ms"]["p50"] for agent in AGENTS)
    rest = echo - direct - FRAME_MS - engine_ms
    return {
        "line, LiveKit and its client, both ways": direct,
        f"until a frame of {FRAME_MS} ms is whole": FRAME_MS,
        "to the engine's process and back": engine_ms,
        "until the next 20 ms go out, and what waits before them": round(rest, 1),
        "all": echo,
    }


def _criterion(rows: dict[str, Any], band: str) -> dict[str, Any]:
    direct, echo = (rows[f"{band} {agent}"]["delay_ms"]["p50"] for agent in AGENTS)
    above_ms = round(echo - direct, 1)
    return {
        "wanted": f"{band}: echo <= direct + {ABOVE_DIRECT_MS} ms",
        "found_ms": above_ms,
        "is_met": above_ms <= ABOVE_DIRECT_MS,
    }


def print_loop(found: dict[str, Any]) -> None:
    """The tables."""
    print_table(
        ("ms", "back", "p10", "p50", "p90", "p50 of calls"),
        [
            (name, f"{r['back']}/{r['chirps']}", *r["delay_ms"].values(), r["p50_ms_of_calls"])
            for name, r in found["rows"].items()
        ],
    )
    parts = list(found["where"][BANDS[0]])
    print_table(
        ("where they sit, ms", *BANDS),
        [(part, *(found["where"][band][part] for band in BANDS)) for part in parts],
    )
    for item in found["criteria"]:
        print(f"{'met   ' if item['is_met'] else 'MISSED'}  {item['wanted']}: {item['found_ms']:+}")
    print()


def run_loop(options: argparse.Namespace, programs: Programs) -> dict[str, Any]:
    found = asyncio.run(measure_loop(options, programs))
    print_loop(found)
    return found


def run_calls(options: argparse.Namespace, programs: Programs) -> dict[str, Any]:
    async def hold(number: int) -> dict[str, Any]:
        async with temporary_folder() as folder:
            return await phone_calls.hold(programs, number, options.seconds, folder)

    return climb(options.calls, lambda number: asyncio.run(hold(number)), phone_calls.is_held)


PARTS = {"loop": run_loop, "calls": run_calls}


def main() -> None:
    options = arguments()
    start(options)
    try:
        programs = Programs.find()
    except LiveKitUnavailable as error:
        sys.exit(f"bench_phone: {error}")
    load = os.getloadavg()[0]
    print_card(
        "bench_phone: telephone -> LiveKit -> agent -> LiveKit -> telephone",
        {
            "expected": f"direct + {FRAME_MS} ms a frame + 1-2 to the engine and back + 0-20 to "
            "the next 20 ms that go out",
            "wanted": f"echo <= direct + {ABOVE_DIRECT_MS} ms",
            "load": f"{load:.1f} on {os.cpu_count()} cores before it began",
        },
    )
    results = {part: PARTS[part](options, programs) for part in options.only}
    config = {
        "repeats": options.repeats,
        "judged_s": options.judged_s,
        "seconds": options.seconds,
        "load_before": round(load, 2),
    }
    finish("phone", config, results, options)


if __name__ == "__main__":
    main()
