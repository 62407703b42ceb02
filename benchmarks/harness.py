"""What every benchmark here does alike: card, table, last line one JSON document.

A benchmark says what is measured and what to expect (`print_card`), measures, prints a table
(`print_table`) and ends with `finish`: one line of JSON with commit, machine, PyTorch,
configuration and date, appended to a file where `--out` names one. Nothing here measures.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voiceagent.serving.device import use_threads

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
BOOTSTRAP_DRAWS = 2000


def make_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the flags that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="append the JSON document to this file")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: 1)")
    return parser


def start(options: argparse.Namespace) -> None:
    """Set the threads, and see that the results can be written before anything is measured."""
    use_threads(options.threads)
    if options.out is not None and not options.out.parent.is_dir():
        sys.exit(f"--out: the folder {options.out.parent} does not exist")


def environment() -> dict[str, Any]:
    """Return where and with what this runs."""
    document: dict[str, Any] = {
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        document["gpu"] = torch.cuda.get_device_name(0)
        document["cuda"] = torch.version.cuda
    return document


def print_card(title: str, facts: Mapping[str, object]) -> None:
    """Print what is measured, and what the design lets expect."""
    print(title)
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        print(f"  {name:{width}}  {value}")
    print()


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns, the first to the left and the others to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        rest = (f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        print("  ".join((f"{row[0]:{widths[0]}}", *rest)).rstrip())
    print()


def finish(
    benchmark: str,
    config: Mapping[str, Any],
    results: Mapping[str, Any],
    options: argparse.Namespace,
) -> None:
    """Print the document as the last line, and append it to `--out`."""
    print(record(benchmark, config, results, options))


def record(
    benchmark: str,
    config: Mapping[str, Any],
    results: Mapping[str, Any],
    options: argparse.Namespace,
) -> str:
    """Append a document to `--out` and return its line; several processes may share the file."""
    document = {"benchmark": benchmark, **environment(), "config": config, "results": results}
    line = json.dumps(document)
    if options.out is not None:
        # one write to a file opened for appending: nobody else's line comes in between
        with options.out.open("ab", buffering=0) as file:
            file.write(f"{line}\n".encode())
    return line


def percentiles(values: Sequence[float], which: Sequence[int] = (10, 50, 90)) -> dict[str, float]:
    """Return "p50" and so on; nothing of nothing."""
    if not values:
        return {}
    found = np.percentile(values, which)
    return {f"p{p}": round(float(value), 1) for p, value in zip(which, found, strict=True)}


def interval_95(
    items: Sequence[Any], statistic: Callable[[Sequence[Any]], float]
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic by resampling its items with replacement.

    For ratios such as word accuracy; a share of yes and no has `share_95`.

    Source: Efron, "Bootstrap methods", 1979; percentile intervals, 2000 draws, fixed seed.
    """
    rng = np.random.default_rng(0)
    draws = rng.integers(len(items), size=(BOOTSTRAP_DRAWS, len(items)))
    low, high = np.percentile([statistic([items[i] for i in draw]) for draw in draws], (2.5, 97.5))
    return round(float(low), 3), round(float(high), 3)


def share_95(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share; unlike a bootstrap's, it has a width at 0 and 1.

    Source: Wilson, "Probable inference", 1927.
    """
    z = 1.96
    middle = (hits + z * z / 2) / (total + z * z)
    share = hits / total
    half = z * (share * (1 - share) * total + z * z / 4) ** 0.5 / (total + z * z)
    return round(max(0.0, middle - half), 3), round(min(1.0, middle + half), 3)


def share(name: str, hits: int, total: int) -> dict[str, Any]:
    """Return a share under a name and its interval beside it; None of nothing."""
    return {
        name: round(hits / total, 4) if total else None,
        f"{name}_95": share_95(hits, total) if total else None,
    }


def _commit() -> str:
    """Short hash, with "-dirty" where tracked files differ."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
