"""Turn-taking of all sessions of an engine: the detectors, and a `SlotTurns` for each who has one.

Per step: `listen` to the users' frames, let the codec encode them meanwhile, `decide`, carry out
the plans, step, and hand each output to `spoke`. A session whose policy is "off" is in none of it.
Events of the watchdogs are logged, and counted by the engine; the last one starts the model afresh.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence

from voiceagent.serving.config import EngineConfig
from voiceagent.serving.ears import Cues, SoundFrame
from voiceagent.serving.observe import NO_CUES, Observer, Playout
from voiceagent.serving.session import StepInput
from voiceagent.serving.steering import Plan
from voiceagent.serving.turn_slot import ModelStep, SlotTurns, Spoken, TextStream
from voiceagent.turntaking.trace import TurnRow

_log = logging.getLogger(__name__)


class Turns:
    """See the module's docstring. Next: `begin` for a new session; `close` at the end."""

    def __init__(self, config: EngineConfig, stream: TextStream) -> None:
        """Load the detectors and start their threads.

        Raises:
            DetectorUnavailable: one that is asked for is missing: says what to do.
        """
        observe = dataclasses.replace(config.observe, num_slots=config.num_slots)
        self._wait_ms = observe.wait_ms
        self._config = config.turns
        self._stream = stream
        self._observer = Observer(observe)
        self._slots: dict[int, SlotTurns] = {}
        self._cues: dict[int, Cues] = {}
        self._playouts: dict[int, Playout] = {}

    def begin(self, slot: int, policy: str) -> None:
        """Begin a session's turn-taking: "shadow" or "on"."""
        self._slots[slot] = SlotTurns(policy, self._config, self._stream)
        self._cues.pop(slot, None)
        self._observer.begin(slot)

    def end(self, slot: int) -> None:
        """Forget a session, if it had any."""
        self._slots.pop(slot, None)

    def close(self) -> None:
        """Stop the detectors' threads."""
        self._observer.close()

    def listen(self, inputs: Sequence[StepInput], playouts: Mapping[int, Playout]) -> None:
        """Hand the users' frames to the detectors; returns at once. Next: `decide`.

        Args:
            inputs: of the step.
            playouts: the cursors of their slots; as many frames were made, this one is the next.
        """
        self._playouts = {slot: playouts[slot] for slot in playouts if slot in self._slots}
        self._observer.submit(
            [
                SoundFrame(
                    item.slot,
                    playouts[item.slot].generated_frames,
                    item.pcm,
                    self._slots[item.slot].played,
                )
                for item in inputs
                if item.slot in self._slots
            ]
        )

    def decide(self) -> dict[int, tuple[TurnRow, Plan]]:
        """Decide the frames that were listened to.

        Returns:
            For each slot that has turn-taking, the record of it and what is to be done.
        """
        if self._playouts:
            self._take_cues()
        decided = {}
        for slot, playout in self._playouts.items():
            cues = self._cues.get(slot, NO_CUES)
            row, plan = self._slots[slot].decide(playout.generated_frames, cues, playout)
            for event in row.decision.events:
                _log.info("slot %d: turn-taking saw %s", slot, event.value)
            decided[slot] = row, plan
        return decided

    def spoke(self, slot: int, step: ModelStep) -> Spoken | None:
        """What of a slot's output goes out; None where it has no turn-taking."""
        turns = self._slots.get(slot)
        return None if turns is None else turns.spoke(step)

    def _take_cues(self) -> None:
        newest: dict[int, Cues] = {}
        for cues in self._observer.poll(self._wait_ms):
            earlier = newest.get(cues.slot)
            if cues.p_eot is None and earlier is not None:  # that comes once
                cues = dataclasses.replace(cues, p_eot=earlier.p_eot)
            newest[cues.slot] = cues
        self._cues |= newest
