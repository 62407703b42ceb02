"""How the time of a training run is shared out among its stages.

Shares are of *core* seconds: a stage that two processes work on together takes half as long by the
clock. Measured on two cores; see README.md in this folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from voiceagent.errors import ConfigError

#: Stage -> share of the core seconds, in the order of the pipeline.
SHARES = {
    "speech": 0.06,
    "voice_data": 0.04,
    "semantic": 0.165,
    "voice": 0.165,
    "bank": 0.02,
    "dialogues": 0.17,
    "decoder": 0.35,
    "evaluate": 0.03,
}
#: The same by the clock where a GPU learns: the decoder from calls that are being made until its
#: own time is nearly over.
GPU_SHARES = {
    "speech": 0.11,
    "voice_data": 0.02,
    "semantic": 0.30,
    "voice": 0.30,
    "bank": 0.01,
    "dialogues": 0.485,
    "decoder": 0.51,
    "evaluate": 0.05,
}
#: The same for a run that goes on from a model, on CPUs and where a GPU learns: its voice stays.
TUNING_SHARES = {
    "speech": 0.07,
    "voice_data": 0.01,
    "semantic": 0.36,
    "bank": 0.015,
    "dialogues": 0.25,
    "decoder": 0.265,
    "evaluate": 0.03,
}
GPU_TUNING_SHARES = {
    "speech": 0.11,
    "voice_data": 0.01,
    "semantic": 0.31,
    "bank": 0.01,
    "dialogues": 0.485,
    "decoder": 0.51,
    "evaluate": 0.05,
}
#: The same for a run that teaches the decoder of a model alone, on CPUs and where a GPU learns.
CONVERSATION_SHARES = {
    "speech": 0.01,
    "bank": 0.02,
    "dialogues": 0.45,
    "decoder": 0.48,
    "evaluate": 0.04,
}
GPU_CONVERSATION_SHARES = {
    "speech": 0.02,
    "bank": 0.01,
    "dialogues": 0.87,
    "decoder": 0.92,
    "evaluate": 0.05,
}
#: The same for a run that teaches the ear of a model alone; not measured on a GPU.
EAR_SHARES = {"speech": 0.02, "bank": 0.02, "ear": 0.92, "evaluate": 0.04}
#: The same for a run that teaches the voice of a model, on CPUs as on a GPU.
VOICE_SHARES = {"voice_data": 0.03, "voice": 0.93, "evaluate": 0.04}
#: What a run teaches: everything from nothing, or of a model its hearing and conversation, its
#: ear, its conversation or its voice alone.
Teach = Literal["all", "hearing", "ear", "conversation", "voice"]
#: Stages that two processes run side by side, each on a core of its own; but in a run that goes on
#: from a model there is one of them, and all processes work on it.
SIDE_BY_SIDE = ("semantic", "voice")
LEAST_S = 60
#: Core seconds below which a model does not yet converse, nor one learn anything.
ENOUGH_S = 3600
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The time of a run.

    Attributes:
        seconds: of the whole run by the clock.
        workers: processes that compute at once, one thread each.
        on_gpu: networks are trained on a GPU.
        teach: what it teaches; all but "all" go on from a model.
    """

    seconds: int
    workers: int
    on_gpu: bool = False
    teach: Teach = "all"

    def __post_init__(self) -> None:
        if self.seconds < LEAST_S:
            raise ConfigError(
                f"--budget {self.seconds}s: no stage would learn anything; give at least {LEAST_S}s"
            )
        if self.workers < 1:
            raise ConfigError(f"--workers must be at least 1, not {self.workers}")

    @property
    def is_tuning(self) -> bool:
        """Whether the run goes on from a model."""
        return self.teach != "all"

    @property
    def shares(self) -> dict[str, float]:
        """Stage -> share of the time, in the order of the pipeline."""
        if self.teach == "voice":
            return VOICE_SHARES
        if self.teach == "ear":
            return EAR_SHARES
        if self.teach == "conversation":
            return GPU_CONVERSATION_SHARES if self.on_gpu else CONVERSATION_SHARES
        if self.is_tuning:
            return GPU_TUNING_SHARES if self.on_gpu else TUNING_SHARES
        return GPU_SHARES if self.on_gpu else SHARES

    def seconds_for(self, stage: str) -> float:
        """Time of a stage by the clock of each process that works on it."""
        share = self.shares[stage]
        if self.on_gpu:
            return self.seconds * share
        is_shared = self.is_tuning or stage not in SIDE_BY_SIDE
        return self.seconds * share * (1 if is_shared else self.workers)

    def note(self) -> str:
        """Say what there is too little time for, or how it is shared out."""
        too_short = not self.on_gpu and self.seconds * self.workers < ENOUGH_S
        if too_short and self.is_tuning:
            return (
                "too short to learn anything; every stage runs, so that one can see that they fit"
            )
        if too_short:
            return (
                "too short to understand anybody; every stage runs, so that one can see that the "
                f"pieces fit. {ENOUGH_S // 60 // self.workers} minutes make a model that answers"
            )
        return ", ".join(f"{stage} {self.seconds_for(stage) / 60:.0f}" for stage in self.shares)


def parse_duration(text: str) -> int:
    """Return the seconds of a duration such as ``90m``, ``1.5h`` or ``120``.

    Raises:
        ConfigError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is no duration; write 90m, 1.5h or 120s")
    return round(float(match[1]) * _UNITS_S[match[2] or "s"])
