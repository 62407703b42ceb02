"""The engine in one process: sessions in, 80 ms frames out.

Work-conserving and without a clock of its own: each call of `step` advances exactly the sessions
whose frame is complete and waits for nobody. Not here: sockets, processes, real-time pacing.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from voiceagent_codec.base import Codec

from voiceagent.clock import Clock, MonotonicClock, WallClock
from voiceagent.errors import AtCapacity, ConfigError
from voiceagent.model.checkpoint import open_model
from voiceagent.model.config import SamplingDefaults
from voiceagent.model.decoder import Decoder
from voiceagent.model.tokenizer import Tokenizer
from voiceagent.serving.config import EngineConfig, SessionOptions
from voiceagent.serving.forecast import forecast, most_in_time
from voiceagent.serving.metrics import StepForecast, StepMetrics
from voiceagent.serving.prompts import Prompt, Prompts
from voiceagent.serving.requests import Filling, Requests
from voiceagent.serving.session import Session, SessionFrame, StepInput
from voiceagent.serving.slots import SlotTable
from voiceagent.serving.steering import Steering
from voiceagent.serving.step import BatchStep, SlotOutput
from voiceagent.serving.voices import VoiceRegistry

#: What no feed yields.
_FED = object()


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
        """An engine of weights that are loaded; it runs where they are."""
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
        """
        config = config or EngineConfig()
        device = find_device(config.device)
        folder = open_model(model)
        return cls(
            folder.load_codec(device),
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

    def open_session(self, options: SessionOptions | None = None) -> Session:
        """Start a conversation in a fresh slot.

        With a prompt that was not fed before, it is `is_preparing`: next, `prepare` until it is
        not. Sound that comes meanwhile is not heard.

        Raises:
            AtCapacity: every slot is taken.
            PromptRefused: its role or voice cannot be taken.
        """
        options = options or SessionOptions()
        prompt = self._prompts.prompt_of(options)
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
        return session

    def close(self, session: Session) -> None:
        """End a conversation and free its slot.

        Raises:
            SessionClosed: it was closed before.
        """
        self._slots.release(session.handle)
        session.is_closed = True
        self._feeds.pop(session.handle.index, None)
        del self._sessions[session.handle.index]
        del self._fillings[session.handle.index]
        self._batch.end(session.handle.index)

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
        outputs, rows = self._batch.run(inputs, self._steerings(inputs))
        duration_us = self._clock.now_us() - begin_us
        gated = sum(item.is_gated for item in inputs)
        self.metrics.record_step(duration_us, len(inputs), rows, gated)
        return [
            self._frame(session, item, output)
            for session, item, output in zip(stepping, inputs, outputs, strict=True)
        ]

    def _prompt(self, session: Session, prompt: Prompt) -> None:
        """Give a fresh slot its prompt at once where it is known, in pieces otherwise."""
        slot = session.handle.index
        session.is_prompted = True
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

    def _steerings(self, inputs: Sequence[StepInput]) -> dict[int, Steering]:
        """By slot, the words of those that are telling a fact."""
        words = {item.slot: self._fillings[item.slot].word for item in inputs}
        return {slot: Steering(next_word=word) for slot, word in words.items() if word is not None}

    def _frame(self, session: Session, item: StepInput, output: SlotOutput) -> SessionFrame:
        step = session.steps
        session.steps += 1
        heard = None if output.user_text is None else self._tokenizer.piece(output.user_text)
        return SessionFrame(
            session=session,
            step=step,
            pcm=output.pcm,
            said=self._tokenizer.piece(output.text),
            heard=heard,
            request=self._fillings[item.slot].said(output.text),
            user_codes=output.user_codes,
            agent_codes=output.agent_codes,
            p_pad=output.p_pad,
            p_epad=output.p_epad,
            entropy=output.entropy,
            is_gated=item.is_gated,
            is_filled=item.is_filled,
            skipped_frames=session.take_skipped(),
        )


def find_device(name: str) -> torch.device:
    """The device of this name; "auto" is CUDA where there is one.

    Raises:
        ConfigError: this machine or this PyTorch has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name}: this machine shows {torch.cuda.device_count()} CUDA devices to "
            "PyTorch; take --device cpu, or see what nvidia-smi says"
        )
    return device


def use_threads(count: int) -> None:
    """Set the number of CPU threads of the step, for the whole process.

    One is best for the embedded model: two threads gain little alone and collapse when another
    process holds a core.
    """
    torch.set_num_threads(count)
