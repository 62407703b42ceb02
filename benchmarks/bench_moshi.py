"""A Moshi of 331 million random weights in bfloat16 on this machine, for minutes.

What it says means nothing; memory and time are those of a real model of this size. Written to a
temporary folder in the published layout, with a Mimi of published size in float32, and loaded as
`voiceagent talk --model` would. The card says what sizes and memory speed predict; the table shows
what was found, minute by minute, so that growth of either would be seen.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from capacity_engine import recording
from harness import finish, make_parser, print_card, print_table, start
from tqdm import tqdm
from voiceagent_codec.mimi import MimiCodec
from voiceagent_codec.mimi_config import MimiConfig

from voiceagent.model.checkpoint import open_model
from voiceagent.model.size import decoder_size
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.engine import Engine
from voiceagent.testing.random_moshi import TINY_MOSHI, write_random_moshi

MIB = 2**20
#: Between the 7B model and the embedded one: 331 M parameters, streams and delays as published.
SIZES: dict[str, Any] = {
    **TINY_MOSHI,
    "card": 2048,
    "n_q": 16,
    "dep_q": 8,
    "delays": [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1],
    "text_card": 8000,
    "dim": 1024,
    "num_heads": 16,
    "num_layers": 12,
    "context": 3000,
    "depformer_dim": 512,
    "depformer_dim_feedforward": 2112,
    "depformer_num_heads": 8,
    "depformer_num_layers": 4,
}


def arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument(
        "--minutes", type=int, default=3, help="of steps, one after another (default: 3)"
    )
    return parser.parse_args()


def write(folder: Path) -> None:
    """The checkpoint, in the published layout."""
    write_random_moshi(folder, SIZES, mimi=None, dtype=torch.bfloat16)


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmRSS")


def converse(engine: Engine, minutes: int, before_bytes: int) -> list[dict[str, Any]]:
    """One session, as fast as it goes; one row a minute."""
    session, frames, rows = engine.open_session(), recording(), []
    for minute in tqdm(range(minutes), desc="minutes", leave=False):
        times_ms: list[float] = []
        while sum(times_ms) < 60_000:
            session.push(frames[session.steps % len(frames)])
            begin_s = time.perf_counter()
            engine.step()
            times_ms.append(1000 * (time.perf_counter() - begin_s))
        p50, p99 = np.percentile(times_ms, (50, 99))
        rows.append(
            {
                "minute": minute + 1,
                "steps_so_far": session.steps,
                "step_p50_ms": round(float(p50), 1),
                "step_p99_ms": round(float(p99), 1),
                "resident_mib": round((resident_bytes() - before_bytes) / MIB),
            }
        )
    return rows


def main() -> None:
    options = arguments()
    start(options)
    with tempfile.TemporaryDirectory() as name:
        folder_path = Path(name) / "moshi-300m"
        # in a process of its own, whose memory is given back
        writer = multiprocessing.get_context("spawn").Process(target=write, args=(folder_path,))
        writer.start()
        writer.join()
        folder = open_model(folder_path)
        size = decoder_size(folder.decoder)
        with torch.device("meta"):
            mimi = MimiCodec(MimiConfig())
        codec_bytes = sum(tensor.nbytes for tensor in mimi.state_dict().values())
        predicted = size.weight_bytes(folder.dtype) + size.kv_bytes(folder.dtype) + codec_bytes
        print_card(
            "a Moshi of random weights",
            {
                "parameters": f"{size.parameters / 1e6:.1f} M in bfloat16",
                "weights": f"{size.weight_bytes(folder.dtype) / MIB:.0f} MiB",
                "keys and values": f"{size.kv_bytes(folder.dtype) / MIB:.0f} MiB a full session",
                "Mimi": f"{codec_bytes / MIB:.0f} MiB in float32, 8 codebooks",
                "predicted memory": f"{predicted / MIB:.0f} MiB above that of the program",
            },
        )
        before_bytes = resident_bytes()
        engine = Engine.load(folder_path, EngineConfig())
        loaded_bytes = resident_bytes() - before_bytes
        found = engine.forecast()
        rows = converse(engine, options.minutes, before_bytes)
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    print(
        f"memory after loading: {loaded_bytes / MIB:.0f} MiB, predicted {predicted / MIB:.0f} MiB"
    )
    print(
        f"forecast with a full window: p50 {found.p50_us / 1000:.1f} ms, p99 "
        f"{found.p99_us / 1000:.1f} ms; reading memory alone {found.floor_us / 1000:.1f} ms"
    )
    results = {
        "rows": rows,
        "parameters": size.parameters,
        "predicted_mib": round(predicted / MIB),
        "loaded_mib": round(loaded_bytes / MIB),
        "forecast_p50_ms": found.p50_us / 1000,
        "forecast_p99_ms": found.p99_us / 1000,
        "floor_ms": found.floor_us / 1000,
    }
    finish("moshi", {"minutes": options.minutes, "sizes": SIZES}, results, options)


if __name__ == "__main__":
    main()
