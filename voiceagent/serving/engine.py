"""The engine in one process: sessions in, 80 ms frames out.

Work-conserving and without a clock of its own: each call of `step` advances exactly the sessions
whose frame is complete and waits for nobody. Not here: sockets, processes, real-time pacing.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from voiceagent_codec.base import Codec

from voiceagent.audio.framing import Samples
from voiceagent.clock import Clock, MonotonicClock, WallClock
from voiceagent.errors import AtCapacity
from voiceagent.model.checkpoint import open_model
from voiceagent.model.config import SamplingDefaults
from voiceagent.model.decoder import Decoder
from voiceagent.model.tokenizer import Tokenizer
from voiceagent.serving.config import EngineConfig, SessionOptions
from voiceagent.serving.device import find_device, load_codec
from voiceagent.serving.forecast import forecast, most_in_time
from voiceagent.serving.metrics import StepForecast, StepMetrics
from voiceagent.serving.prompts import Prompt, Prompts
from voiceagent.serving.requests import Filling, Requests
from voiceagent.serving.session import Session, SessionFrame, StepInput
from voiceagent.serving.slots import SlotTable
from voiceagent.serving.steering import Plan, Steering
from voiceagent.serving.step import BatchStep, SlotOutput
from voiceagent.serving.turn_slot import ModelStep, TextStream
from voiceagent.serving.turns import Turns
from voiceagent.serving.voices import VoiceRegistry

#: What no feed yields.
_FED = object()

_log = logging.getLogger(__name__)


class Engine:
    """See the module's docstring. Next: `open_session`, `Session.push`, `step`, `close`."""

    def __init__(
        self,
        codec: Codec[Any],
        decoder: Decoder,
        tokenizer: Tokenizer,
        config: EngineConfig,
        clock: Clock | None = None,
        sampling: SamplingDefaults | None = None,
        *,
        is_promptable: bool = False,
        voices: VoiceRegistry | None = None,
        now: Callable[[], datetime.datetime] | None = None,
    ) -> None:
        """An engine of weights that are loaded; it runs where they are.

        Raises:
            DetectorUnavailable: its policy needs a detector that is missing.
        """
        self.config = config
        self.metrics = StepMetrics()
        self._tokenizer = tokenizer
        self._clock = clock or MonotonicClock()
        self._sampling = sampling or SamplingDefaults()
        self._slots = SlotTable(config.num_slots)
        self._batch = BatchStep(codec, decoder, config.num_slots)
        self._prompts = Prompts(
            self._batch,
            tokenizer,
            is_promptable=is_promptable,
            voices=voices,
            max_bytes=config.prompt_cache_mib * 2**20,
        )
        #: Local time of the callers.
        self.now = now or WallClock(config.timezone).now
        self._requests = Requests(tokenizer, decoder.config.pad_id, self.now)
        self._fillings: dict[int, Filling] = {}  # by slot
        self._sessions: dict[int, Session] = {}
        self._feeds: dict[int, Iterator[None]] = {}  # by slot, oldest first
        self._told: dict[int, Prompt] = {}  # by slot, of those that have one
        self._turns: Turns | None = None
        if config.policy != "off":
            self.load_detectors()

    @classmethod
    def load(
        cls,
        model: str | Path = "nano",
        config: EngineConfig | None = None,
        *,
        adapter: Path | None = None,
        voices: Path | None = None,
        now: Callable[[], datetime.datetime] | None = None,
    ) -> Engine:
        """An engine with a model's weights.

        Args:
            model: "nano", a model folder or a hub id.
            config: settings; one slot by default.
            adapter: a folder with a LoRA or DoRA adapter, merged into the weights.
            voices: the folder of registered voices.
            now: local time of the callers; by default that of the config's time zone.

        Raises:
            ConfigError: the folder or its config cannot be used.
            WeightsError: the weights do not fit.
            DetectorUnavailable: its policy needs a detector that is missing.
        """
        config = config or EngineConfig()
        device = find_device(config.device)
        folder = open_model(model)
        return cls(
            load_codec(folder, device),
            folder.load_decoder(device, adapter=adapter),
            folder.tokenizer(),
            config,
            sampling=folder.sampling,
            is_promptable=folder.is_promptable,
            voices=VoiceRegistry(voices) if voices else None,
            now=now,
        )

    @property
    def num_free(self) -> int:
        """Sessions that could be opened now."""
        return self._slots.num_free

    @property
    def is_promptable(self) -> bool:
        """Whether a session may have a role and a voice."""
        return self._prompts.is_promptable

    @property
    def preparing(self) -> Session | None:
        """The session whose prompt is being fed: the one that waits longest."""
        return self._sessions[next(iter(self._feeds))] if self._feeds else None

    def voice_ids(self) -> tuple[str, ...]:
        """Voices that a session may ask for."""
        return self._prompts.voice_ids()

    def state_bytes(self) -> int:
        """Memory that all slots' states take."""
        return self._batch.state.num_bytes()

    def forecast(self) -> StepForecast:
        """Measure the step of full conversations; see `forecast.forecast`. Before any session."""
        assert not self._sessions, "it would overwrite their states"
        return forecast(self._batch, self._clock)

    def most_in_time(self) -> int:
        """How many full conversations are held in time, fewer than there are slots."""
        return most_in_time(self._batch, self._clock)

    def load_detectors(self) -> None:
        """Load what turn-taking hears with, unless that was done; else the first session that has
        turn-taking does, and all others wait for it.

        Raises:
            DetectorUnavailable: one is missing: says what to do.
        """
        if self._turns is not None:
            return
        decoder = self._batch.decoder.config
        stream = TextStream(
            decoder.text_cardinality, decoder.pad_id, decoder.epad_id, self._tokenizer.piece
        )
        self._turns = Turns(self.config, stream)

    def open_session(self, options: SessionOptions | None = None) -> Session:
        """Start a conversation in a fresh slot.

        With a prompt that was not fed before, it is `is_preparing`: next, `prepare` until it is
        not. Sound that comes meanwhile is not heard.

        Raises:
            AtCapacity: every slot is taken.
            PromptRefused: its role or voice cannot be taken.
            DetectorUnavailable: its policy needs a detector that is missing.
        """
        options = options or SessionOptions()
        prompt = self._prompts.prompt_of(options)
        policy = options.policy or self.config.policy
        if policy != "off":
            self.load_detectors()
        handle = self._slots.acquire()
        if handle is None:
            raise AtCapacity(self.config.num_slots, self.config.retry_after_s)
        session = Session(handle, options, self.config)
        try:
            self._batch.begin(handle.index, self._sampling_of(options), options.seed)
            if prompt is not None:
                self._prompt(session, prompt)
        except BaseException:
            self._slots.release(handle)
            raise
        self._sessions[handle.index] = session
        self._fillings[handle.index] = Filling(self._requests)
        if policy != "off":
            self._begin_turns(handle.index, policy)
        return session

    def close(self, session: Session) -> None:
        """End a conversation and free its slot.

        Raises:
            SessionClosed: it was closed before.
        """
        self._slots.release(session.handle)
        session.is_closed = True
        self._feeds.pop(session.handle.index, None)
        self._told.pop(session.handle.index, None)
        del self._sessions[session.handle.index]
        del self._fillings[session.handle.index]
        self._batch.end(session.handle.index)
        if self._turns is not None:
            self._turns.end(session.handle.index)

    def prepare(self) -> bool:
        """Feed the next piece of the prompt of `preparing`, which takes about a step of one slot.

        Returns:
            Whether that session can begin.

        Raises:
            VoiceError: its voice cannot be read; close it.
            PromptRefused: its voice is another model's; likewise.
        """
        session = self.preparing
        assert session is not None, "nobody is preparing"
        if next(self._feeds[session.handle.index], _FED) is not _FED:
            return False
        del self._feeds[session.handle.index]
        session.is_preparing = False
        return True

    def step(self) -> list[SessionFrame]:
        """Advance every session that has a complete frame; nothing when none has."""
        stepping = [session for session in self._sessions.values() if session.ready_frames]
        if not stepping:
            return []
        inputs = [session.next_input() for session in stepping]
        begin_us = self._clock.now_us()
        outputs, rows, understood = self._advance(stepping, inputs)
        duration_us = self._clock.now_us() - begin_us
        frames = [
            self._frame(session, item, output, understood.get(output.slot, []))
            for session, item, output in zip(stepping, inputs, outputs, strict=True)
        ]
        gated = sum(frame.is_gated for frame in frames)
        self.metrics.record_step(duration_us, len(inputs), rows, gated)
        return frames

    def _advance(
        self, stepping: Sequence[Session], inputs: Sequence[StepInput]
    ) -> tuple[list[SlotOutput], int, dict[int, list[int]]]:
        """The step of the batch, steered; and the user's tokens that repeated steps understood."""
        turns = self._turns
        if turns is None:
            return *self._batch.run(inputs, self._steerings(inputs, {})), {}
        turns.listen(inputs, {session.handle.index: session.playout for session in stepping})
        heard = self._batch.hear(inputs)
        decided = turns.decide()
        for row, plan in decided.values():
            self.metrics.record_turn(row, plan)
        plans = {slot: plan for slot, (_, plan) in decided.items()}
        understood = self._rewind(len(heard.active), plans)
        return *self._batch.speak(heard, self._steerings(inputs, plans)), understood

    def _steerings(
        self, inputs: Sequence[StepInput], plans: Mapping[int, Plan]
    ) -> dict[int, Steering]:
        """By slot, what turn-taking asks for, the words of facts, silence under announcements."""
        steerings = {slot: plan.steering for slot, plan in plans.items() if plan.steering}
        for slot, plan in plans.items():
            self._fillings[slot].take_back(plan.forget_steps)
            if plan.is_floor_lost or plan.is_fresh:
                self._fillings[slot].let_go()
        for slot in [item.slot for item in inputs]:
            steering = steerings.get(slot, Steering())
            if self._sessions[slot].announcement.is_held:
                pad_id = self._requests.pad_id
                steerings[slot] = dataclasses.replace(steering, forced_text=pad_id)
            elif (word := self._fillings[slot].word) is not None:
                steerings[slot] = dataclasses.replace(steering, next_word=word)
        return steerings

    def _rewind(self, rows: int, plans: Mapping[int, Plan]) -> dict[int, list[int]]:
        """Take back last steps, and take others again; returns what was understood anew."""
        for slot, plan in plans.items():
            announcement = self._sessions[slot].announcement
            announcement.take_back(plan.forget_steps)
            if plan.is_floor_lost:
                announcement.drop()
            if plan.is_fresh:
                self._start_afresh(self._sessions[slot])
            if plan.forget_steps and not plan.repeats:
                self._batch.forget(slot, plan.forget_steps)
        repeated = {slot: plan for slot, plan in plans.items() if plan.repeats}
        repeats = {slot: plan.repeats for slot, plan in repeated.items()}
        older = {slot: plan.forget_steps for slot, plan in repeated.items()}
        return self._batch.repeat(rows, repeats, older)

    def _start_afresh(self, session: Session) -> None:
        """Let the model forget a call that does not go on, all but its prompt."""
        slot = session.handle.index
        prompt = self._told.get(slot)
        if prompt is not None and not self._prompts.is_kept(prompt):
            _log.warning("slot %d: its prompt is not at hand; the model goes on as it is", slot)
            return
        self._batch.start_afresh(slot)
        if prompt is not None:
            self._prompts.restore(slot, prompt)

    def _begin_turns(self, slot: int, policy: str) -> None:
        assert self._turns is not None, "its detectors were loaded"
        if self.config.turns.needs_words and not self._batch.decoder.config.user_text:
            _log.warning(
                "slot %d: this model does not write down what the user says, so turn-taking will "
                "take no speech for a turn: set needs_words = false in [turns]",
                slot,
            )
        self._turns.begin(slot, policy)

    def _prompt(self, session: Session, prompt: Prompt) -> None:
        """Give a fresh slot its prompt at once where it is known, in pieces otherwise."""
        slot = session.handle.index
        session.is_prompted = True
        self._told[slot] = prompt
        if not self._prompts.restore(slot, prompt):
            session.is_preparing = True
            self._feeds[slot] = self._prompts.feed(slot, prompt)

    def _sampling_of(self, options: SessionOptions) -> SamplingDefaults:
        """What a session asks for, the model's own where it asks for nothing."""
        names = [field.name for field in dataclasses.fields(SamplingDefaults)]
        wishes = {name: getattr(options, name) for name in names}
        return dataclasses.replace(
            self._sampling, **{k: v for k, v in wishes.items() if v is not None}
        )

    def _frame(
        self, session: Session, item: StepInput, output: SlotOutput, understood: Sequence[int]
    ) -> SessionFrame:
        step = session.steps
        session.steps += 1
        heard = self._heard([*understood, output.user_text])
        word = self._tokenizer.piece(output.text)
        pcm, is_announced = session.announcement.take(output.pcm, is_word=word is not None)
        spoken = None
        if self._turns is not None:
            made = _model_step(output, heard, pcm, is_announced=is_announced)
            spoken = self._turns.spoke(output.slot, made)
        said = None
        if spoken is None or spoken.is_said:
            said = session.announcement.tell() if is_announced else word
        return SessionFrame(
            session=session,
            step=step,
            pcm=pcm if spoken is None else spoken.pcm,
            said=said,
            heard=heard,
            request=self._fillings[item.slot].said(output.text),
            user_codes=output.user_codes,
            agent_codes=output.agent_codes,
            p_pad=output.p_pad,
            p_epad=output.p_epad,
            entropy=output.entropy,
            is_gated=item.is_gated or (spoken is not None and spoken.is_gated),
            is_filled=item.is_filled,
            skipped_frames=session.take_skipped(),
            turn=None if spoken is None else spoken.turn,
            generation=0 if spoken is None else spoken.generation,
            is_flush=spoken is not None and spoken.is_flush,
        )

    def _heard(self, tokens: Sequence[int | None]) -> str | None:
        """Text of the user's tokens, None where none is a word."""
        pieces = [self._tokenizer.piece(token) for token in tokens if token is not None]
        return "".join(piece for piece in pieces if piece) or None


def _model_step(
    output: SlotOutput, heard: str | None, pcm: Samples, *, is_announced: bool
) -> ModelStep:
    return ModelStep(
        pcm=pcm,
        text=output.text,
        heard=heard,
        given_codes=output.user_codes,
        heard_codes=output.heard_codes,
        p_pad=output.p_pad,
        p_epad=output.p_epad,
        entropy_nats=output.entropy,
        is_announced=is_announced,
    )
