"""What the steps cost: counters and a bounded window of step times."""

from __future__ import annotations

import dataclasses
from collections import Counter, deque

import numpy as np

from voiceagent.audio.framing import FRAME_MS
from voiceagent.serving.steering import Plan
from voiceagent.turntaking.trace import TurnRow

WINDOW_STEPS = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class StepTimes:
    """Percentiles over the last steps, at most WINDOW_STEPS of them."""

    window_steps: int
    p50_us: int
    p95_us: int
    p99_us: int


@dataclasses.dataclass(frozen=True, slots=True)
class StepForecast:
    """What a step takes when the windows of all conversations are full.

    Attributes:
        device: where it runs.
        num_slots: conversations in the step.
        p50_us: median.
        p99_us: 99th percentile.
        floor_us: what reading weights and states once takes at the speed of this memory: no step
            of these numbers is shorter.
    """

    device: str
    num_slots: int
    p50_us: int
    p99_us: int
    floor_us: int

    @property
    def is_in_time(self) -> bool:
        """Whether such steps keep up with the conversations."""
        return self.p99_us < FRAME_MS * 1000


class StepMetrics:
    """Counts of one engine since it started. Written by the step, read by anyone between steps."""

    def __init__(self) -> None:
        self._step_us: deque[int] = deque(maxlen=WINDOW_STEPS)
        #: Steps of the batch, whatever the number of slots in it.
        self.steps = 0
        #: Frames of single sessions that were stepped.
        self.frames = 0
        #: Rows computed; more than `frames` where the batch held inactive rows.
        self.rows = 0
        #: Frames that reached the model as encoded silence.
        self.gated_frames = 0
        #: Frames that turn-taking decided without having been told what was heard.
        self.late_observations = 0
        #: Steps that were taken back or again.
        self.rewound_frames = 0
        #: Times that sound on its way to the user was void.
        self.flushes = 0
        #: What turn-taking's watchdogs saw, by `turntaking.types.Event`.
        self.turn_events: Counter[str] = Counter()

    def record_step(self, duration_us: int, frames: int, rows: int, gated: int) -> None:
        """Count one step."""
        self._step_us.append(duration_us)
        self.steps += 1
        self.frames += frames
        self.rows += rows
        self.gated_frames += gated

    def record_turn(self, row: TurnRow, plan: Plan) -> None:
        """Count what turn-taking saw in one frame of a session, and what was done about it."""
        self.late_observations += row.observation.is_late
        self.rewound_frames += plan.forget_steps + len(plan.repeats)
        self.flushes += plan.is_flush
        self.turn_events.update(event.value for event in row.decision.events)

    def step_times(self) -> StepTimes:
        """Percentiles of the time a step takes; zero before the first."""
        if not self._step_us:
            return StepTimes(0, 0, 0, 0)
        p50, p95, p99 = np.percentile(self._step_us, [50, 95, 99])
        return StepTimes(len(self._step_us), round(p50), round(p95), round(p99))
