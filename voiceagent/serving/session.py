"""One conversation: its slot, the sound waiting for it, and what each step gave it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, FrameAssembler, Samples
from voiceagent.audio.level import rms_dbfs
from voiceagent.errors import SessionClosed
from voiceagent.serving.announcement import Announcement
from voiceagent.serving.config import EngineConfig, SessionOptions
from voiceagent.serving.observe import Playout
from voiceagent.serving.slots import SlotHandle

#: From a frame's being sent to its being heard, where nobody reports it: the playout queue and the
#: listener's jitter buffer.
UNREPORTED_LAG_FRAMES = 3


@dataclasses.dataclass(frozen=True, slots=True)
class StepInput:
    """What one slot brings to a step."""

    slot: int
    pcm: Samples  # float32 [1920]
    is_gated: bool
    is_filled: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class SessionFrame:
    """80 ms of a conversation.

    Attributes:
        session: whose.
        step: 0 for the first frame of the session.
        pcm: the agent's sound, float32 [1920], 24 kHz.
        said: text that the agent begins to speak in this frame, with its leading space, or None.
        heard: text of the user that the model understood in this frame, or None.
        request: what the model asks for before it answers, one of `facts.REQUESTS`, or None.
        user_codes: as the model got them.
        agent_codes: as the model spoke them.
        p_pad: probability that the text stream stays silent.
        p_epad: probability that a word starts at the next step.
        entropy: of the text stream, nats.
        is_gated: whether the model was given silence instead of the user's sound.
        is_filled: whether that was because no sound had come.
        skipped_frames: of the user, waiting since the last step and heard by none.
        turn: what turn-taking saw and decided, as `turn_slot.Spoken`; None where it is off.
        generation: of the sound; whoever plays it drops what is older.
        is_flush: this is the first frame of its generation.
    """

    session: Session
    step: int
    pcm: Samples
    said: str | None
    heard: str | None
    request: str | None
    user_codes: tuple[int, ...]
    agent_codes: tuple[int, ...]
    p_pad: float
    p_epad: float
    entropy: float
    is_gated: bool
    is_filled: bool
    skipped_frames: int
    turn: dict[str, Any] | None = None
    generation: int = 0
    is_flush: bool = False

    @property
    def time_ms(self) -> int:
        """When the frame's sound starts, from the session's start."""
        return self.step * FRAME_MS


class Session:
    """Made by `Engine.open_session`. Next: `push` sound, let the engine step, `Engine.close`."""

    def __init__(self, handle: SlotHandle, options: SessionOptions, config: EngineConfig) -> None:
        self.handle = handle
        self.options = options
        #: Set to feed the model silence whatever the user says.
        self.is_gate_closed = False
        #: Set by the engine when the slot is given back.
        self.is_closed = False
        #: Whether it was told a role or a voice.
        self.is_prompted = False
        #: Set by the engine while the prompt is being fed: sound is not heard yet.
        self.is_preparing = False
        #: Samples that came meanwhile.
        self.early_samples = 0
        #: Steps taken so far.
        self.steps = 0
        #: Input frames replaced by silence because a sample was not finite.
        self.bad_frames = 0
        #: Said in place of the model.
        self.announcement = Announcement()
        #: Frames of the agent's that are made and not heard yet.
        self.unheard_frames = UNREPORTED_LAG_FRAMES
        self._gate_below_dbfs = config.gate_below_dbfs
        #: Input frames that came after silence had taken their place.
        self.late_frames = 0
        self._silent_frames = 0
        self._told_skipped_frames = 0
        self._input = FrameAssembler(config.max_queued_frames)

    @property
    def ready_frames(self) -> int:
        """Complete frames waiting to be stepped."""
        return self._input.ready + self._silent_frames

    @property
    def dropped_frames(self) -> int:
        """Input frames dropped because they waited too long."""
        return self._input.dropped_frames

    @property
    def playout(self) -> Playout:
        """The cursor; between two reports it moves on with the steps."""
        return Playout(
            generated_frames=self.steps,
            sent_frames=self.steps,
            heard_frames=max(0, self.steps - self.unheard_frames),
        )

    def played(self, played_ms: int) -> None:
        """Take a report of the listener: so much of the agent has been heard."""
        unheard_ms = max(0, self.steps * FRAME_MS - played_ms)
        self.unheard_frames = -(-unheard_ms // FRAME_MS)

    def push(self, pcm: Samples) -> None:
        """Bring user sound: float32 [N], 24 kHz mono, any N; counted, not heard, while preparing.

        Raises:
            ValueError: another shape or dtype.
            SessionClosed: the session has ended.
        """
        if self.is_closed:
            raise SessionClosed("this session was closed; open another")
        if self.is_preparing:
            self.early_samples += pcm.size
            return
        self._input.push(pcm)

    def push_silence(self) -> None:
        """Bring one whole frame of silence ahead of a frame that is not complete yet."""
        self._silent_frames += 1

    def drop_oldest(self) -> None:
        """Forget the oldest waiting frame: silence has taken its place."""
        self._input.pop()
        self.late_frames += 1

    def take_skipped(self) -> int:
        """Frames dropped since this was last asked."""
        skipped = self.dropped_frames + self.late_frames
        news, self._told_skipped_frames = skipped - self._told_skipped_frames, skipped
        return news

    def next_input(self) -> StepInput:
        """Take the oldest waiting frame for the step, silenced if it is not finite."""
        if self._silent_frames:
            self._silent_frames -= 1
            return StepInput(self.handle.index, np.zeros(FRAME_SAMPLES, np.float32), True, True)
        pcm = self._input.pop()
        level_dbfs = rms_dbfs(pcm)
        if not np.isfinite(level_dbfs):
            self.bad_frames += 1
            pcm, level_dbfs = np.zeros_like(pcm), -np.inf
        is_gated = self.is_gate_closed or level_dbfs < self._gate_below_dbfs
        # beyond full scale lies nothing a microphone can mean, and much that a filter cannot bear
        return StepInput(self.handle.index, np.clip(pcm, -1, 1), is_gated)
