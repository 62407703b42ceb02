"""How long one 80 ms step takes: hear, decide, speak, for 1 to 64 sessions on one core.

Not measured here: sockets, packets, the gateway. All slots step together; a core carries B sessions
in real time when the 99th percentile of a step of B stays below 80 ms.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch
from harness import finish, make_parser, print_card, print_table, start
from tqdm import tqdm

from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.model.checkpoint import open_model
from voiceagent.serving.device import load_codec
from voiceagent.serving.step import BatchStep, StepInput

FRAME_MS = 80
WARM_UP_STEPS = 20

MEMORY_PROBE = """
import json, resource, sys
import torch
torch.set_num_threads(1)
def rss_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
before = rss_kib()
import numpy as np
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.engine import Engine
engine = Engine.load("nano", EngineConfig(num_slots=int(sys.argv[1])))
sessions = [engine.open_session() for _ in range(int(sys.argv[1]))]
for _ in range(100):
    for session in sessions:
        session.push(np.full(1920, 0.1, np.float32))
    engine.step()
print(json.dumps({"torch_kib": before, "engine_kib": rss_kib() - before}))
"""


def arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--steps", type=int, default=300, help="per batch size (default: 300)")
    parser.add_argument(
        "--batches",
        type=lambda text: [int(item) for item in text.split(",")],
        default=[1, 2, 4, 8, 16, 32, 64],
        help="batch sizes (default: 1,2,4,8,16,32,64)",
    )
    parser.add_argument(
        "--float", action="store_true", help="the ear in float32, as on a CPU without VNNI"
    )
    return parser.parse_args()


def read_bandwidth_gb_s() -> float:
    """Best of ten reads of 256 MiB, far more than any cache."""
    block = torch.ones(64 * 2**20)
    best_s = float("inf")
    for _ in range(10):
        begin_s = time.perf_counter()
        block.sum()
        best_s = min(best_s, time.perf_counter() - begin_s)
    return block.nbytes / best_s / 1e9


def measure(batch: BatchStep, frames: np.ndarray, steps: int) -> dict[str, float]:
    """Step every slot together, each at its own place in the recording."""
    times_ms = []
    for step in range(WARM_UP_STEPS + steps):
        inputs = [
            StepInput(slot, frames[(step + 7 * slot) % len(frames)], False)
            for slot in range(batch.num_slots)
        ]
        begin_s = time.perf_counter()
        batch.run(inputs)
        times_ms.append(1000 * (time.perf_counter() - begin_s))
    p50, p95, p99 = np.percentile(times_ms[WARM_UP_STEPS:], (50, 95, 99))
    return {
        "batch": batch.num_slots,
        "p50_ms": round(p50, 2),
        "p95_ms": round(p95, 2),
        "p99_ms": round(p99, 2),
        "p50_ms_per_session": round(p50 / batch.num_slots, 2),
    }


def memory(num_slots: int) -> dict[str, int]:
    """Resident memory of an engine above that of `import torch`, in a process of its own."""
    command = [sys.executable, "-c", MEMORY_PROBE, str(num_slots)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(json.loads(output))


def main() -> None:
    options = arguments()
    start(options)
    folder = open_model("nano")
    codec = folder.load_codec() if options.float else load_codec(folder, torch.device("cpu"))
    decoder = folder.load_decoder()
    weights = [*codec.parameters(), *codec.buffers(), *decoder.parameters()]
    weight_mb = sum(tensor.nbytes for tensor in weights) / 1e6
    bandwidth = read_bandwidth_gb_s()
    print_card(
        "one step of the embedded model",
        {
            "weights and tables": f"{weight_mb:.1f} MB, all read once a step",
            "read bandwidth": f"{bandwidth:.1f} GB/s measured on one thread",
            "floor": f"{weight_mb / bandwidth:.1f} ms, were that the only cost",
            "budget": f"{FRAME_MS} ms",
        },
    )
    frames = read_wav(QUESTION).pcm
    frames = frames[: len(frames) // 1920 * 1920].reshape(-1, 1920)
    rows: list[dict[str, Any]] = []
    for size in tqdm(options.batches, desc="batch sizes", leave=False):
        rows.append(measure(BatchStep(codec, decoder, size), frames, options.steps))
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    in_time = [row["batch"] for row in rows if row["p99_ms"] < FRAME_MS]
    by_slots = {} if options.float else {str(slots): memory(slots) for slots in (1, 8)}
    for slots, found in by_slots.items():
        above = found["engine_kib"] / 1024
        print(f"memory above 'import torch', {slots} slot(s): {above:.0f} MiB resident")
    sessions = max(in_time, default=0)
    print(f"sessions per core in real time (largest batch measured with p99 < 80 ms): {sessions}\n")
    results = {
        "rows": rows,
        "sessions_per_core": sessions,
        "memory": by_slots,
        "weights_mb": round(weight_mb, 1),
        "read_bandwidth_gb_s": round(bandwidth, 1),
    }
    config = {"model": folder.name, "steps": options.steps, "threads": options.threads}
    config |= {"is_float": options.float}
    finish("step", config, results, options)


if __name__ == "__main__":
    main()
