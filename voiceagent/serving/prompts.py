"""Voice and role of an engine's sessions: fed once, kept, and copied into the next session's slot.

A prompt of ten seconds takes more than a hundred steps. It is fed in pieces of one step (`feed` is
a generator; whoever owns the time calls `next`), over the slot's row alone, so that nobody else's
step is longer for it, and what it leaves in the slot depends on nobody else. That state is kept,
the one used longest ago dropped first beyond a number of bytes. Not here: who is preparing
(`engine`), and when a piece may run (`hub`).
"""

from __future__ import annotations

import dataclasses
import logging
from collections import OrderedDict
from collections.abc import Generator, Iterator

import numpy as np
import torch
from torch import Tensor

from voiceagent.audio.framing import FRAME_SAMPLES
from voiceagent.errors import PromptRefused, VoiceError
from voiceagent.model.decoder import DecoderState
from voiceagent.model.prompt import (
    PromptCodes,
    check_steps,
    plan_prompt,
    prompt_steps,
    role_tokens,
)
from voiceagent.model.tokenizer import Tokenizer
from voiceagent.model.voice import Voice
from voiceagent.serving.config import SessionOptions
from voiceagent.serving.step import BatchStep
from voiceagent.serving.voices import VoiceInfo, VoiceRegistry

#: Codes of voices kept in memory; a minute of one is 100 KB.
MAX_KEPT_VOICES = 64

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Prompt:
    """What one session shall be told; equal prompts leave equal states."""

    tokens: tuple[int, ...]
    voice: VoiceInfo | None


class PrefixCache:
    """States that prompts leave behind, bounded in bytes; the one used longest ago goes first."""

    def __init__(self, max_bytes: int) -> None:
        self.num_bytes = 0
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Prompt, DecoderState] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, prompt: Prompt) -> DecoderState | None:
        """The state that a prompt left, if it is kept."""
        if prompt in self._kept:
            self._kept.move_to_end(prompt)
        return self._kept.get(prompt)

    def put(self, prompt: Prompt, snapshot: DecoderState) -> None:
        """Keep a state, unless it alone is too large."""
        size = snapshot.num_bytes()
        if prompt in self._kept or size > self._max_bytes:
            return
        self._kept[prompt] = snapshot
        self.num_bytes += size
        while self.num_bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.num_bytes -= oldest.num_bytes()


class Prompts:
    """See the module's docstring. Next: `prompt_of` a session's options, then `feed` its slot."""

    def __init__(
        self,
        batch: BatchStep,
        tokenizer: Tokenizer,
        *,
        is_promptable: bool,
        voices: VoiceRegistry | None = None,
        max_bytes: int = 0,
    ) -> None:
        """Of a model that takes prompts or, with a notice to each who tries, takes none.

        Args:
            batch: whose slots are fed.
            tokenizer: of the model.
            is_promptable: whether the model was trained to be told anything.
            voices: those that may be chosen.
            max_bytes: of the states kept.
        """
        self.is_promptable = is_promptable and PromptCodes().fits(batch.decoder.config)
        self.cache = PrefixCache(max_bytes)
        self._batch = batch
        self._tokenizer = tokenizer
        self._voices = voices
        self._codes: OrderedDict[VoiceInfo, Tensor] = OrderedDict()

    def voice_ids(self) -> tuple[str, ...]:
        """Voices that a session may ask for."""
        return tuple(self._voices.ids()) if self.is_promptable and self._voices else ()

    def prompt_of(self, options: SessionOptions) -> Prompt | None:
        """What these options ask for; None for nothing, and of a model that takes no prompts.

        Raises:
            PromptRefused: no such voice, or too long for the model's window.
        """
        if not options.role.strip() and not options.voice:
            return None
        if not self.is_promptable:
            _log.warning("this model takes no role and no voice: the session goes on without them")
            return None
        prompt = Prompt(
            tuple(role_tokens(options.role, self._tokenizer)),
            self._info(options.voice) if options.voice else None,
        )
        frames = prompt.voice.frames if prompt.voice else 0
        check_steps(prompt_steps(frames, len(prompt.tokens)), self._batch.decoder.config)
        return prompt

    def is_kept(self, prompt: Prompt) -> bool:
        """Whether `restore` would find what this prompt has left."""
        return self.cache.get(prompt) is not None

    def restore(self, slot: int, prompt: Prompt) -> bool:
        """Give a fresh slot the state that this prompt has left before, if it is kept."""
        snapshot = self.cache.get(prompt)
        if snapshot is not None:
            self._batch.state.decoder.restore(slot, snapshot)
        return snapshot is not None

    def feed(self, slot: int, prompt: Prompt) -> Iterator[None]:
        """Tell a fresh slot its prompt, in pieces of about one step; may be closed between them.

        Raises:
            VoiceError: the voice's file has gone or is damaged.
            PromptRefused: the voice is another model's.
        """
        if self.restore(slot, prompt):
            return  # another session's feed has ended since this one was asked for
        voice = (yield from self._voice(slot, prompt.voice)) if prompt.voice else None
        plan = plan_prompt(self._batch.decoder.config, prompt.tokens, voice)
        yield from self._batch.feed(slot, plan)
        # what was said first is what holds the role: it stays in sight however long the call is
        self._batch.state.decoder.pin([slot], plan.steps)
        self.cache.put(prompt, self._batch.state.decoder.snapshot(slot, plan.steps))

    def _info(self, voice_id: str) -> VoiceInfo:
        if self._voices is None:
            raise PromptRefused(f"no voice '{voice_id}': this engine has no folder of voices")
        try:
            return self._voices.info(voice_id)
        except VoiceError as error:
            raise PromptRefused(str(error)) from error

    def _voice(self, slot: int, info: VoiceInfo) -> Generator[None, None, Voice]:
        assert self._voices is not None, "there is a voice, so there are voices"
        if info.kind == "embeddings":
            return self._voices.embeddings(info.id)
        if info not in self._codes:
            pcm = self._voices.sound(info.id)
            frames = np.pad(pcm, (0, -len(pcm) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
            self._codes[info] = yield from self._batch.encode(slot, torch.from_numpy(frames))
            if len(self._codes) > MAX_KEPT_VOICES:
                self._codes.popitem(last=False)
        self._codes.move_to_end(info)
        return Voice.of_codes(self._codes[info])
