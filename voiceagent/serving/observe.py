"""Observations for the turn-taking policy: the sound's cues, judged in a thread of their own.

Each step: `submit` the frames, let the codec encode them meanwhile, `poll`, and make one
`observation` per session. What is not judged by then is late: the policy gets the cues of the frame
before and is told so. Both ways are bounded; nothing here waits for a detector longer than asked.
End of turn is judged in a second thread, since one look takes longer than a frame.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np

from voiceagent.serving.config import ObserveConfig
from voiceagent.serving.downsample import Batch
from voiceagent.serving.ears import Cues, Ears, SoundFrame, check_frame
from voiceagent.serving.end_of_turn import HEARD_SAMPLES, SmartTurn
from voiceagent.turntaking.types import Observation, Text

#: Pauses that may wait to be judged; a later one is not judged at all.
MAX_WAITING_PAUSES = 8
#: What a session has before its first cues: silence.
NO_CUES = Cues(-1, -1, 0.0, -144.0, -75.0, 0.0, 0.0, None, False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """The model's outputs of the last step; see `Observation`. The defaults: no step yet."""

    text: Text = Text.NONE
    heard: str | None = None
    p_pad: float = 1.0
    p_epad: float = 0.0
    entropy_nats: float = 0.0
    agent_dbfs: float = -144.0
    repeats: int = 0
    rewind_room_frames: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Playout:
    """The playout cursor, in frames; see `Observation`."""

    generated_frames: int = 0
    sent_frames: int = 0
    heard_frames: int = 0


class Observer:
    """See the module's docstring. Next: `begin` for a new session; `close` at the end."""

    def __init__(self, config: ObserveConfig) -> None:
        """Load the detectors and start the threads.

        Raises:
            DetectorUnavailable: a detector that was asked for is missing.
        """
        self._config = config
        self._ears = Ears(config)
        self._pauses = _PauseJudge(config) if config.end_of_turn == "smart_turn" else None
        self._thread = ThreadPoolExecutor(1, "observe")
        # with the slots that have begun anew since: what was heard there is another session's
        self._waiting: deque[tuple[Future[list[Cues]], set[int]]] = deque()
        #: Batches of frames that were dropped because the thread did not keep up.
        self.dropped_batches = 0

    @property
    def bad_frames(self) -> int:
        """Frames taken for silence because a sample was not finite."""
        return self._ears.bad_frames

    @property
    def dropped_pauses(self) -> int:
        """Pauses that were not judged because too many were waiting."""
        return 0 if self._pauses is None else self._pauses.dropped

    def begin(self, slot: int) -> None:
        """Forget all of a slot, for a new session; what it waits for never comes."""
        for _, stale in self._waiting:
            stale.add(slot)
        self._thread.submit(self._begin, slot)

    def submit(self, frames: Sequence[SoundFrame]) -> None:
        """Hand in the frames of a step; returns at once.

        Args:
            frames: at most one of each slot.

        Raises:
            ValueError: a slot or a frame that cannot be.
        """
        for frame in frames:
            check_frame(frame, self._config.num_slots)
        if not frames:
            return
        while len(self._waiting) >= self._config.max_waiting_batches:
            # one that has begun cannot be cancelled, and its cues are too old to be wanted
            self._waiting.popleft()[0].cancel()
            self.dropped_batches += 1
        self._waiting.append((self._thread.submit(self._hear, tuple(frames)), set()))

    def poll(self, wait_ms: int = 0) -> list[Cues]:
        """Take what has been judged, the oldest first.

        Args:
            wait_ms: how long to wait for the frames submitted last.

        Raises:
            Exception: whatever a detector raised.
        """
        if self._waiting and wait_ms:
            wait([self._waiting[-1][0]], timeout=wait_ms / 1000)
        found: list[Cues] = []
        while self._waiting and self._waiting[0][0].done():
            judged, stale = self._waiting.popleft()
            found += [cues for cues in judged.result() if cues.slot not in stale]
        return found

    def close(self) -> None:
        """Stop the threads; what waits is dropped."""
        self._thread.shutdown(cancel_futures=True)
        if self._pauses is not None:
            self._pauses.close()

    def _begin(self, slot: int) -> None:
        self._ears.begin(slot)
        if self._pauses is not None:
            self._pauses.begin(slot)

    def _hear(self, frames: Sequence[SoundFrame]) -> list[Cues]:
        cues, pcm_16k = self._ears.hear(frames)
        if self._pauses is None:
            return cues
        return [self._pauses.hear(cue, pcm) for cue, pcm in zip(cues, pcm_16k, strict=True)]


class _PauseJudge:
    """Remembers 8 s of every session and has each pause judged, in a thread of its own."""

    def __init__(self, config: ObserveConfig) -> None:
        self._smart_turn = SmartTurn(config.end_of_turn_model)
        self._thread = ThreadPoolExecutor(1, "end-of-turn")
        self._pcm = np.zeros((config.num_slots, HEARD_SAMPLES), np.float32)
        self._judging: dict[int, Future[float]] = {}
        self.dropped = 0

    def begin(self, slot: int) -> None:
        self._pcm[slot] = 0
        self._forget(slot)

    def hear(self, cues: Cues, pcm: Batch) -> Cues:
        """Remember a frame; add the answer of an earlier one's pause, once."""
        ring = self._pcm[cues.slot]
        place = cues.frame * len(pcm) % HEARD_SAMPLES
        ring[place : place + len(pcm)] = pcm
        answer = self._judging.get(cues.slot)
        if cues.is_pause_onset:
            self._ask(cues.slot, np.roll(ring, -place - len(pcm)))
        elif answer is not None and answer.done():
            del self._judging[cues.slot]
            return dataclasses.replace(cues, p_eot=answer.result())
        return cues

    def _ask(self, slot: int, pcm: Batch) -> None:
        self._forget(slot)
        if len(self._judging) >= MAX_WAITING_PAUSES:
            self.dropped += 1
            return
        self._judging[slot] = self._thread.submit(self._smart_turn.probability, pcm)

    def _forget(self, slot: int) -> None:
        if (old := self._judging.pop(slot, None)) is not None:
            old.cancel()

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


def observation(
    frame: int, cues: Cues, model: ModelView, playout: Playout, *, is_hung_up: bool = False
) -> Observation:
    """All that the policy sees of one session's frame.

    Args:
        frame: 0 for the first of the session.
        cues: the newest of the session; `NO_CUES` before any.
        model: outputs of the last step.
        playout: the cursor.
        is_hung_up: the session is ending.
    """
    return Observation(
        frame=frame,
        p_user=cues.p_user,
        level_dbfs=cues.level_dbfs,
        floor_dbfs=cues.floor_dbfs,
        tilt_db=cues.tilt_db,
        echo=cues.echo,
        p_eot=cues.p_eot,
        heard=model.heard,
        text=model.text,
        p_pad=model.p_pad,
        p_epad=model.p_epad,
        entropy_nats=model.entropy_nats,
        agent_dbfs=model.agent_dbfs,
        generated_frames=playout.generated_frames,
        sent_frames=playout.sent_frames,
        heard_frames=playout.heard_frames,
        rewind_room_frames=model.rewind_room_frames,
        repeats=model.repeats,
        is_hung_up=is_hung_up,
        is_late=cues.frame != frame,
    )
