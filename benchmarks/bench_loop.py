"""How long a sound takes from the microphone in a browser to a server and back, for three servers.

Real headless Chromium calls each server in turn, call by call, so that the machine's drift is
everyone's. Its microphone plays chirps; an AudioWorklet records microphone and answer on one clock,
and a matched filter finds each chirp in both. So a delay holds Chromium's encoder, the network (it
is loopback), the server and Chromium's jitter buffer (NetEq), but no sound card. Every server gives
back frames of 80 ms, as a full-duplex model does (`loop_servers` says how):

    control   aiortc alone with its defaults
    gateway   this project's, with the echo engine
    pipecat   Pipecat with its SmallWebRTC transport as it comes

All packets, both ways, pass a relay on this machine (`loop_relay`) that makes the conditions:

    clean     nothing happens to them
    loss      2 % are lost at random, each way, by a fixed seed
    held      once, all packets of 300 ms wait and then arrive together: the hiccup of a radio link
    gone      once, all packets of 300 ms are lost
    frozen    once, the server's process stands still for 300 ms; packets wait in its sockets

The first 3 s of a call are not judged, and after a stall (the last three) only what is sent from
8 s after its end. Wanted of the gateway, medians: clean <= the control's + 15 ms, all others <= its
own clean + 40 ms. Default conditions: eight minutes. Needs `make setup web`, Chromium and Node.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import soundfile
from harness import ROOT, finish, make_parser, percentiles, print_card, print_table, start
from loop_call import Browser, Call, Server
from loop_chirps import LONGEST_MS, PERIOD_MS, RATE_HZ, measure, microphone
from loop_relay import Weather
from tqdm import tqdm

SERVERS = ("control", "gateway", "pipecat")
SETTLED_S = 3.0
STALL_AT_S = 3.5
RECOVERED_S = STALL_AT_S + 0.3 + 8
JUDGED_AFTER_STALL_S = 3.2
MICROPHONE_S = 40
CALM = Weather()
#: Most the gateway's median may be above the control's, clean.
ABOVE_CONTROL_MS = 15
#: Most it may be above its own clean one, under any other condition.
ABOVE_CLEAN_MS = 40


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Calls of one kind.

    Attributes:
        calls: to each server.
        from_s: chirps sent from then on are judged, from the start of the recording.
        to_s: chirps sent until then.
        weather: of the relay.
        freeze_at_s: when the server's process stands still; None for never.
    """

    calls: int
    from_s: float
    to_s: float
    weather: Weather = CALM
    freeze_at_s: float | None = None

    @property
    def seconds(self) -> float:
        """Of one recording."""
        return self.to_s + LONGEST_MS / 1000 + 0.1


def _stall(weather: Weather = CALM, freeze_at_s: float | None = None) -> Condition:
    return Condition(
        calls=4,
        from_s=RECOVERED_S,
        to_s=RECOVERED_S + JUDGED_AFTER_STALL_S,
        weather=weather,
        freeze_at_s=freeze_at_s,
    )


CONDITIONS = {
    "clean": Condition(calls=4, from_s=SETTLED_S, to_s=SETTLED_S + 4),
    "loss": Condition(calls=3, from_s=SETTLED_S, to_s=SETTLED_S + 8, weather=Weather(loss=0.02)),
    "held": _stall(Weather(stall_at_s=STALL_AT_S)),
    "gone": _stall(Weather(stall_at_s=STALL_AT_S, is_held=False)),
    "frozen": _stall(freeze_at_s=STALL_AT_S),
}
DEFAULT_CONDITIONS = ("clean", "loss", "held")


@dataclasses.dataclass
class Row:
    """The calls to one server under one condition."""

    delays_ms: list[list[float]] = dataclasses.field(default_factory=list)
    chirps: int = 0
    neteq_ms: list[float] = dataclasses.field(default_factory=list)
    made_up_ms: float = 0
    judged_s: float = 0
    packets: int = 0
    packets_lost: int = 0
    counters: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, call: Call, condition: Condition) -> None:
        """Take in one call."""
        chirps = measure(call.sent, call.returned)
        judged = [c for c in chirps if condition.from_s <= c.at_ms / 1000 < condition.to_s]
        back_ms = [c.delay_ms for c in judged if c.delay_ms is not None]
        if not back_ms:
            raise RuntimeError(f"a call brought none of its {len(judged)} chirps back")
        self.chirps += len(judged)
        self.delays_ms.append(back_ms)
        self._add_stats(call.stats[int(condition.from_s) : int(condition.to_s) + 1])
        self.packets += call.passed + call.lost
        self.packets_lost += call.lost
        self.counters.update({name: int(value) for name, value in call.counters.items()})

    @property
    def p50_ms(self) -> float:
        """Median of all chirps that came back."""
        return statistics.median(delay for call in self.delays_ms for delay in call)

    def document(self) -> dict[str, Any]:
        """For the result."""
        delays_ms = [delay for call in self.delays_ms for delay in call]
        return {
            "chirps": self.chirps,
            "back": len(delays_ms),
            "delay_ms": percentiles(delays_ms),
            "p50_ms_of_calls": [round(statistics.median(call), 1) for call in self.delays_ms],
            "neteq_ms": round(statistics.mean(self.neteq_ms), 1),
            "made_up_ms_per_s": round(self.made_up_ms / self.judged_s, 1),
            "packets": self.packets,
            "packets_lost": self.packets_lost,
            **({"counters": dict(self.counters)} if self.counters else {}),
        }

    def _add_stats(self, stats: list[dict[str, Any]]) -> None:
        first, last = stats[0], stats[-1]

        def grown(name: str) -> float:
            return float(last[name] - first[name])

        self.neteq_ms.append(1000 * grown("jitterBufferDelay") / grown("jitterBufferEmittedCount"))
        self.made_up_ms += 1000 * grown("concealedSamples") / RATE_HZ
        self.judged_s += grown("timestamp") / 1000


def arguments() -> Any:
    parser = make_parser(__doc__ or "")
    parser.add_argument(
        "--conditions",
        nargs="+",
        choices=CONDITIONS,
        default=DEFAULT_CONDITIONS,
        help="default: clean loss held",
    )
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=SERVERS)
    parser.add_argument("--calls", type=float, default=1.0, help="times as many calls (default: 1)")
    parser.add_argument("--seed", type=int, default=2026, help="of the losses (default: 2026)")
    return parser.parse_args()


def chromium() -> str:
    """Where Chromium is; leaves with one message when something is missing."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not found or not shutil.which("node"):
        sys.exit("bench_loop needs Chromium and Node: apt-get install chromium nodejs")
    if not (ROOT / "web" / "node_modules" / "playwright-core").is_dir():
        sys.exit("bench_loop drives Chromium with playwright-core: run 'make web'")
    return found


async def measure_all(options: Any, browser_path: str) -> dict[str, dict[str, Row]]:
    """Place all calls: rows by condition and server."""
    rows = {name: {server: Row() for server in options.servers} for name in options.conditions}
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench_loop-"))
        wav = Path(folder) / "chirps.wav"
        soundfile.write(wav, microphone(MICROPHONE_S), RATE_HZ)
        browser = await stack.enter_async_context(Browser.launch(wav, browser_path))
        servers = {
            name: await stack.enter_async_context(Server.start(name)) for name in options.servers
        }
        for server in servers.values():  # the first call of a process loads what it needs
            await browser.call(server, 1.0, CALM, "warm-up")
        for name, number, server in tqdm(plan(options), desc="calls", leave=False):
            condition, seed = CONDITIONS[name], f"{options.seed} {name} {number}"
            call = await browser.call(
                servers[server], condition.seconds, condition.weather, seed, condition.freeze_at_s
            )
            rows[name][server].add(call, condition)
    return rows


def plan(options: Any) -> list[tuple[str, int, str]]:
    """Condition, number and server of every call, the servers in turn."""
    return [
        (name, number, server)
        for name in options.conditions
        for number in range(max(1, round(options.calls * CONDITIONS[name].calls)))
        for server in options.servers
    ]


def criteria(rows: dict[str, dict[str, Row]]) -> list[dict[str, Any]]:
    """What is wanted of the gateway, what was found, and whether that will do."""
    found = []

    def want(text: str, above_ms: float, limit_ms: int) -> None:
        is_met = above_ms <= limit_ms
        found.append({"wanted": text, "found_ms": round(above_ms, 1), "is_met": is_met})

    clean = rows.get("clean", {})
    if "gateway" not in clean:
        return []
    clean_ms = clean["gateway"].p50_ms
    if "control" in clean:
        above_ms = clean_ms - clean["control"].p50_ms
        want(f"clean <= control + {ABOVE_CONTROL_MS} ms", above_ms, ABOVE_CONTROL_MS)
    for name in [name for name in rows if name != "clean"]:
        above_ms = rows[name]["gateway"].p50_ms - clean_ms
        want(f"{name} <= clean + {ABOVE_CLEAN_MS} ms", above_ms, ABOVE_CLEAN_MS)
    return found


def print_rows(rows: dict[str, dict[str, Row]]) -> None:
    """The table, and what the gateway counted."""
    cells = []
    for name, of_servers in rows.items():
        for server, row in of_servers.items():
            found, clean = row.document(), rows.get("clean", {}).get(server)
            above = f"{row.p50_ms - clean.p50_ms:+.0f}" if clean and name != "clean" else ""
            back = f"{found['back']}/{found['chirps']}"
            rest = (above, found["neteq_ms"], found["made_up_ms_per_s"])
            cells.append((f"{name} {server}", back, *found["delay_ms"].values(), *rest))
    print_table(
        ("ms", "back", "p10", "p50", "p90", "above clean", "NetEq", "made up a second"), cells
    )
    for name, of_servers in rows.items():
        counters = of_servers["gateway"].counters if "gateway" in of_servers else {}
        if counted := {key: n for key, n in counters.items() if n}:
            print(f"the gateway counted, {name}: {counted}")
    print()


def main() -> None:
    options = arguments()
    start(options)
    browser_path = chromium()
    print_card(
        "bench_loop: microphone in the browser -> server -> browser, frames of 80 ms",
        {
            "expected": "20 ms a packet + 60 until the fourth + 0-20 to the next beat of the way "
            "back + 20-40 NetEq + 10 codec",
            "control": "has aiortc's jitter buffer besides: 80 ms, 280 after a loss",
            "chirps": f"every {PERIOD_MS} ms, delays up to {LONGEST_MS} ms",
            "wanted": f"clean <= control + {ABOVE_CONTROL_MS}, others <= clean + {ABOVE_CLEAN_MS}",
        },
    )
    try:
        rows = asyncio.run(measure_all(options, browser_path))
    except RuntimeError as error:
        sys.exit(f"bench_loop: {error}")
    print_rows(rows)
    wanted = criteria(rows)
    for item in wanted:
        print(f"{'met   ' if item['is_met'] else 'MISSED'}  {item['wanted']}: {item['found_ms']:+}")
    print()
    results = {
        "rows": {
            name: {server: row.document() for server, row in of_servers.items()}
            for name, of_servers in rows.items()
        },
        "criteria": wanted,
    }
    config = {
        "seed": options.seed,
        "period_ms": PERIOD_MS,
        "conditions": {name: dataclasses.asdict(CONDITIONS[name]) for name in rows},
        "calls": options.calls,
    }
    finish("loop", config, results, options)


if __name__ == "__main__":
    main()
