"""Settings of the records: where they lie and whether they hold sound."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RecordsConfig:
    """What is kept of a session.

    Attributes:
        dir: folder of the records.
        with_audio: keep the sound too; off, since it is somebody's voice.
    """

    dir: Path
    with_audio: bool = False
