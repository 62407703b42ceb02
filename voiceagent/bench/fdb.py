"""The sets of Full-Duplex-Bench v1 and v1.5, as their folders are called.

Only names and what is scored: the recordings are read from the user's own download, and stay there.
People's backchannels come from the user's copy of the official repository; they too are not ours to
ship.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voiceagent.bench.annotation import (
    read_interruption,
    read_nothing,
    read_overlap,
    read_pause,
    read_turn,
)
from voiceagent.bench.scorers.backchannel import Distribution
from voiceagent.bench.suite import Task
from voiceagent.bench.transcript import read_json
from voiceagent.errors import BenchError

FDB_V1 = (
    Task(
        name="synthetic_pause_handling",
        title="Pause handling, synthetic",
        axes=("pause",),
        read=read_pause,
        num_official=137,
    ),
    Task(
        name="candor_pause_handling",
        title="Pause handling, Candor",
        axes=("pause",),
        read=read_pause,
        num_official=216,
    ),
    Task(
        name="icc_backchannel",
        title="Backchannel, ICC",
        axes=("backchannel",),
        read=read_nothing,
        num_official=55,
        needs_number=True,
    ),
    Task(
        name="candor_turn_taking",
        title="Smooth turn-taking, Candor",
        axes=("turn",),
        read=read_turn,
        num_official=119,
    ),
    Task(
        name="synthetic_user_interruption",
        title="User interruption, synthetic",
        axes=("interruption", "rating"),
        read=read_interruption,
        overlap_kind="interruption",
        num_official=200,
        is_cropped=True,
    ),
)
FDB_V15 = tuple(
    Task(
        name=name,
        title=title,
        axes=("overlap",),
        read=read_overlap,
        wanted=wanted,
        overlap_kind=kind,
        num_official=count,
        has_clean=True,
    )
    for name, title, kind, wanted, count in (
        ("user_interruption", "User interruption", "interruption", "respond", 200),
        ("user_backchannel", "User backchannel", "user_backchannel", "resume", 98),
        ("talking_to_other", "Talking to others", "talking_to_others", "resume", 100),
        ("background_speech", "Background speech", "background_speech", "resume", 100),
    )
)

_PEOPLE = Path("v1_v1.5", "evaluation", "icc_gt_distribution.json")


def read_people(upstream: Path) -> dict[str, Distribution]:
    """When people give backchannels, by id of the recording.

    Args:
        upstream: the user's checkout of the official repository, or the file itself.

    Raises:
        BenchError: it is not there, or of another shape.
    """
    path = upstream if upstream.is_file() else upstream / _PEOPLE
    document = read_json(path)
    if not isinstance(document, dict) or not document:
        raise BenchError(f"{path}: expected an object of lists of shares")
    return {key: _shares(values, f"{path}: {key!r}") for key, values in document.items()}


def _shares(values: object, origin: str) -> Distribution:
    try:
        shares = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise BenchError(f"{origin}: expected a list of shares") from error
    if shares.ndim != 1 or not len(shares) or not (shares >= 0).all() or not shares.sum() > 0:
        raise BenchError(f"{origin}: expected a list of shares that are not negative")
    return shares
