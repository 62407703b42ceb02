"""Turn-taking of one session: what it saw, what it decided, and what that asks of model and sound.

Per frame: `decide` between hearing and speaking, then `spoke` with what the model made of it.
Remembers the last steps, for taking them back or again: what the model was not given, and what the
user has not heard. Pure: no threads, no torch; the detectors are in `turns`.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from voiceagent.audio.framing import FRAME_SAMPLES, Samples
from voiceagent.audio.level import rms_dbfs
from voiceagent.serving.ears import Cues
from voiceagent.serving.gain import gain_of, with_gain
from voiceagent.serving.observe import ModelView, Playout, observation
from voiceagent.serving.steering import Plan, Repeat, Steering
from voiceagent.turntaking.config import MAX_RESUME_FRAMES, MAX_REWIND_FRAMES, TurnConfig
from voiceagent.turntaking.policy import decide
from voiceagent.turntaking.repetition import repeats
from voiceagent.turntaking.trace import TurnRow
from voiceagent.turntaking.types import Decision, Event, Forced, Reason, State, Text, TurnState

#: Behind these the user has the floor, or nobody.
_FLOOR_LOST = frozenset(
    {Reason.AGENT_WITHDRAWS, Reason.AGENT_YIELDED, Reason.YIELD_DONE, Reason.WATCHDOG}
)
#: In these an answer that was begun may go on.
_AGENTS = frozenset({State.SPEAK, State.OVERLAP, State.YIELD})
#: Words of the agent among which repetition is looked for.
WORDS_KEPT = 64


@dataclasses.dataclass(frozen=True, slots=True)
class TextStream:
    """What turn-taking must know of the model's text tokens.

    Attributes:
        size: of the vocabulary.
        pad_id: the token of silence.
        epad_id: the token before a word.
        piece: text of a token, None for one that is not spoken.
    """

    size: int
    pad_id: int
    epad_id: int
    piece: Callable[[int], str | None]

    def kind(self, token: int) -> Text:
        """What a token of the agent means to the policy."""
        if token == self.epad_id:
            return Text.EPAD
        is_word = token != self.pad_id and self.piece(token) is not None
        return Text.WORD if is_word else Text.PAD


@dataclasses.dataclass(frozen=True, slots=True)
class ModelStep:
    """What the model made of a frame; see `step.SlotOutput`.

    Attributes:
        pcm: float32 [1920].
        text: token of the agent.
        heard: text of the user that was understood, in this step and in those taken again.
        given_codes: of the user, as the model got them.
        heard_codes: as it would have got them with an open ear.
        p_pad: as in `Observation`, likewise the next two.
        p_epad: see there.
        entropy_nats: see there.
        is_announced: the sound is an announcement's, which the model was silent for.
    """

    pcm: Samples
    text: int
    heard: str | None
    given_codes: tuple[int, ...]
    heard_codes: tuple[int, ...]
    p_pad: float
    p_epad: float
    entropy_nats: float
    is_announced: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Spoken:
    """A frame of the agent as it goes out.

    Attributes:
        pcm: float32 [1920].
        turn: "policy", "row" (as `TurnRow.to_dict`) and "generated_dbfs", the level before the
            sound was made softer; None there for a sound that goes out as it was made.
        generation: of the sound; whoever plays it drops what is older.
        is_flush: this is the first of its generation.
        is_gated: the model was given silence.
        is_said: the word of this step, if it has one, is heard, and for the first time.
    """

    pcm: Samples
    turn: dict[str, Any]
    generation: int
    is_flush: bool
    is_gated: bool
    is_said: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Step:
    """A step that can still be taken back."""

    frame: int
    given_codes: tuple[int, ...]
    heard_codes: tuple[int, ...]
    said: int | None = None  # a word that went out, now or before
    is_word: bool = False  # of those that repetition is looked for among


class SlotTurns:
    """See the module's docstring. Next: `decide`, then `spoke`, once per frame."""

    def __init__(self, policy: str, config: TurnConfig, stream: TextStream) -> None:
        self.policy = policy
        #: The agent's last frame, as it went out.
        self.played: Samples = np.zeros(FRAME_SAMPLES, np.float32)
        self._config = config
        self._stream = stream
        self._state = TurnState()
        self._model = ModelView()
        self._row: TurnRow | None = None
        self._steps: deque[_Step] = deque(maxlen=MAX_RESUME_FRAMES)
        self._said_before: deque[int] = deque()
        self._words: deque[str] = deque(maxlen=WORDS_KEPT)
        self._gain = 1.0

    @property
    def is_on(self) -> bool:
        """Whether what is decided is done."""
        return self.policy == "on"

    def decide(self, frame: int, cues: Cues, playout: Playout) -> tuple[TurnRow, Plan]:
        """Decide the frame that has just been heard.

        Args:
            frame: 0 for the first of the session.
            cues: the newest there are.
            playout: the cursor.

        Returns:
            The record of it, and what is to be done; nothing in the shadow.
        """
        seen = observation(frame, cues, self._model, playout)
        before = self._state
        self._state, decision = decide(self._config, before, seen)
        self._let_go(before, decision)
        self._row = TurnRow(state=before, observation=seen, decision=decision)
        return self._row, self._plan(decision) if self.is_on else Plan()

    def spoke(self, step: ModelStep) -> Spoken:
        """Take what the model made of it; returns what goes out."""
        assert self._row is not None, "decide comes before spoke"
        frame, decision = self._row.observation.frame, self._row.decision
        is_heard = self._is_heard(step, decision)
        is_word = not step.is_announced and self._stream.kind(step.text) is Text.WORD
        is_said = is_heard and (step.is_announced or self._is_new(step.text))
        said = step.text if is_heard and is_word else None
        self._steps.append(_Step(frame, step.given_codes, step.heard_codes, said, is_word))
        generated_dbfs = rms_dbfs(step.pcm)
        self._look(step, generated_dbfs)
        self.played, is_changed = step.pcm, False
        if self.is_on:
            gain = gain_of(decision)
            self.played = with_gain(step.pcm, self._gain, gain)
            self._gain = gain
            is_changed = self.played is not step.pcm
        turn = {
            "policy": self.policy,
            "row": self._row.to_dict(),
            "generated_dbfs": generated_dbfs if is_changed else None,
        }
        if not self.is_on:
            return Spoken(self.played, turn, 0, False, False, True)
        return Spoken(
            pcm=self.played,
            turn=turn,
            generation=decision.generation,
            is_flush=decision.is_flush,
            is_gated=decision.is_gated,
            is_said=is_said,
        )

    def _let_go(self, before: TurnState, decision: Decision) -> None:
        """Forget the words that those of another answer are not to be compared with.

        What is said to another turn of the user may be the same again; it is a loop only if nobody
        spoke in between. The new answer's first word is among the words already.
        """
        if decision.state not in _AGENTS:
            self._said_before.clear()
        if Event.RESET_CONTEXT in decision.events:
            self._words.clear()
        is_answer = before.turn_frames >= self._config.min_turn_frames
        if is_answer and decision.reason is Reason.AGENT_STARTS:
            self._words = deque([*self._words][-1:], WORDS_KEPT)

    def _is_heard(self, step: ModelStep, decision: Decision) -> bool:
        """Whether a step has a word that goes out: not if the agent is muted."""
        is_muted = self.is_on and gain_of(decision) == 0
        return not is_muted and (step.is_announced or self._stream.kind(step.text) is Text.WORD)

    def _is_new(self, token: int) -> bool:
        """Whether a word that goes out did not before, in a step that was taken back."""
        if self._said_before and self._said_before[0] == token:
            self._said_before.popleft()
            return False
        self._said_before.clear()
        return True

    def _look(self, step: ModelStep, generated_dbfs: float) -> None:
        """Keep the model's outputs for the next frame's decision."""
        kind = Text.WORD if step.is_announced else self._stream.kind(step.text)
        if kind is Text.WORD and not step.is_announced:
            self._words.append((self._stream.piece(step.text) or "").strip())
        self._model = ModelView(
            text=kind,
            heard=step.heard,
            p_pad=step.p_pad,
            p_epad=step.p_epad,
            entropy_nats=step.entropy_nats,
            agent_dbfs=generated_dbfs,
            repeats=0 if step.is_announced else repeats(list(self._words)),
            rewind_room_frames=len(self._steps),
        )

    def _plan(self, decision: Decision) -> Plan:
        if Event.RESET_CONTEXT in decision.events:
            self._steps.clear()
            return Plan(
                steering=self._steering(decision), is_flush=decision.is_flush, is_fresh=True
            )
        rewind = min(decision.rewind_frames, len(self._steps))
        if not decision.is_replayed:
            forgotten = [self._steps.pop() for _ in range(rewind)]
            words = [step.said for step in reversed(forgotten) if step.said is not None]
            self._said_before.extendleft(reversed(words))
            for _ in range(min(sum(step.is_word for step in forgotten), len(self._words))):
                self._words.pop()
        return Plan(
            forget_steps=(0 if decision.is_replayed else rewind) + self._withdraw(decision),
            repeats=self._repeats(decision, rewind if decision.is_replayed else 0),
            steering=self._steering(decision),
            is_flush=decision.is_flush,
            is_floor_lost=decision.reason in _FLOOR_LOST,
        )

    def _withdraw(self, decision: Decision) -> int:
        """Forget what an answer that is withdrawn began with; returns how many steps.

        The last ones are taken again in silence, since the user goes on in them. In those before
        was none of the user's speech. So nothing is left of an answer that could be gone on with.
        """
        if decision.reason is not Reason.AGENT_WITHDRAWS:
            return 0
        first = decision.trim_from_frame or 0
        before = [step for step in self._steps if step.frame < first]
        answer = [step for step in self._steps if step.frame >= first]
        for _ in range(min(sum(step.is_word for step in answer), len(self._words))):
            self._words.pop()
        kept = [dataclasses.replace(step, is_word=False) for step in answer[-MAX_REWIND_FRAMES:]]
        self._steps = deque([*before, *kept], self._steps.maxlen)
        return len(answer) - len(kept)

    def _repeats(self, decision: Decision, wrongly_gated: int) -> tuple[Repeat, ...]:
        """The last steps again, as they should have been: heard, and silent where nobody heard."""
        first_unheard = decision.trim_from_frame if decision.is_flush else None
        first_gated = len(self._steps) - wrongly_gated
        again: list[Repeat] = []
        for place, step in list(enumerate(self._steps))[-MAX_REWIND_FRAMES:]:
            is_unheard = first_unheard is not None and step.frame >= first_unheard
            if place >= first_gated:
                step = dataclasses.replace(step, given_codes=step.heard_codes)
                self._steps[place] = step
            if is_unheard or place >= first_gated:  # both are the last ones
                again.append(Repeat(step.given_codes, is_unheard))
        return tuple(again)

    def _steering(self, decision: Decision) -> Steering | None:
        stream = self._stream
        token = {Forced.PAD: stream.pad_id, Forced.EPAD: stream.epad_id}.get(decision.forced_text)
        bias = None
        if decision.pad_bias_nats or decision.epad_bias_nats:
            bias = np.zeros(stream.size, np.float32)
            bias[stream.pad_id] = decision.pad_bias_nats
            bias[stream.epad_id] = decision.epad_bias_nats
        if token is None and bias is None and not decision.is_gated:
            return None
        return Steering(decision.is_gated, token, bias)
