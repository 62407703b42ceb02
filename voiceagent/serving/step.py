"""The one 80 ms step: hear, decide, speak, for every slot whose frame is complete.

Inputs are written into arrays allocated once, on the host, and go to the device in one piece each;
the states live here too, on the device of the weights. The batch is the smallest
bucket (a power of two) that covers the highest slot in use, as a view on the same storage. Not
here: who owns a slot, and when to step (`engine`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from voiceagent_codec.base import Codec
from voiceagent_codec.streaming import SlotState

from voiceagent.audio.framing import Samples
from voiceagent.model.config import SamplingDefaults
from voiceagent.model.decoder import Decoder, DecoderState, StepOutput
from voiceagent.model.prompt import PromptPlan
from voiceagent.model.sampling import UNFORCED, Sampling
from voiceagent.serving.session import StepInput


@dataclasses.dataclass
class EngineState(SlotState):
    """Everything that a conversation is, for every slot."""

    codec: SlotState
    decoder: DecoderState
    sampling: Sampling


@dataclasses.dataclass(frozen=True, slots=True)
class SlotOutput:
    """What one slot gets from a step."""

    slot: int
    pcm: Samples  # float32 [1920]
    text: int
    user_text: int | None
    user_codes: tuple[int, ...]  # as the model got them
    agent_codes: tuple[int, ...]
    p_pad: float
    p_epad: float
    entropy: float


def bucket(num_slots: int, highest_slot: int) -> int:
    """The batch for a step whose highest slot is this: a power of two, at most all slots."""
    return min(num_slots, 1 << highest_slot.bit_length())


class _HostArray:
    """A device tensor and where the host writes it; one tensor where both are the CPU."""

    def __init__(self, *shape: int, dtype: torch.dtype, device: torch.device) -> None:
        is_cpu = device.type == "cpu"
        self.host = torch.zeros(shape, dtype=dtype, pin_memory=not is_cpu)
        self._device = self.host if is_cpu else torch.zeros(shape, dtype=dtype, device=device)

    def upload(self, rows: int) -> Tensor:
        """The first rows on the device, as the host has written them."""
        if self._device is not self.host:
            self._device[:rows].copy_(self.host[:rows], non_blocking=True)
        return self._device[:rows]


class BatchStep:
    """See the module's docstring. Next: `begin` when a slot gets a session, then `run`."""

    def __init__(self, codec: Codec[Any], decoder: Decoder, num_slots: int) -> None:
        self.codec = codec
        self.decoder = decoder
        self.num_slots = num_slots
        weight = next(decoder.parameters())
        self.device = weight.device
        self.state = EngineState(
            codec.init_state(num_slots, self.device),
            decoder.init_state(num_slots, self.device, weight.dtype),
            Sampling.greedy(num_slots, self.device),
        )
        self._dtype = weight.dtype
        self._one_active = torch.ones(1, dtype=torch.bool, device=self.device)
        self._views = {num_slots: self.state}
        self._sampled_slots: set[int] = set()
        samples = codec.spec.frame_samples
        self._pcm = _HostArray(num_slots, 1, samples, dtype=torch.float32, device=self.device)
        self._active = _HostArray(num_slots, dtype=torch.bool, device=self.device)
        self._gate = _HostArray(num_slots, dtype=torch.bool, device=self.device)
        self._next_word = _HostArray(num_slots, dtype=torch.int64, device=self.device)

    def begin(self, slot: int, sampling: SamplingDefaults, seed: int) -> None:
        """Give a slot a fresh state and its session's sampling settings."""
        self.state.reset([slot])
        self._sampled_slots.discard(slot)
        if sampling.text_temperature == 0 and sampling.code_temperature == 0:
            return
        self._sampled_slots.add(slot)
        state = self.state.sampling
        state.text_temperature[slot] = sampling.text_temperature
        state.text_top_k[slot] = sampling.text_top_k
        state.code_temperature[slot] = sampling.code_temperature
        state.code_top_k[slot] = sampling.code_top_k
        state.seed[slot] = seed

    def fill_windows(self, steps: int | None = None) -> None:
        """Make every slot's next step cost what it will after so many; by default, at most."""
        self.state.decoder.positions.fill_(steps or self.decoder.config.ring_steps)

    def encode(self, slot: int, frames: Tensor) -> Generator[None, None, Tensor]:
        """Codes i64 [T, K] of sound f32 [T, 1920], by a fresh slot's codec, a frame a piece."""
        state, active = self.state.codec.alone(slot), self._one_active
        codes = []
        for frame in frames.to(self.device):
            codes.append(self.codec.encode_step(frame[None, None], state, active))
            yield
        self.state.codec.reset([slot])
        return torch.cat(codes).cpu()

    def feed(self, slot: int, plan: PromptPlan) -> Iterator[None]:
        """Put a prompt into a fresh slot, a step a piece, over that slot's row alone."""
        state, active = self.state.decoder.alone(slot), self._one_active
        plan = plan.to(self.device, self._dtype)
        for t in range(plan.steps):
            is_embedded = t < len(plan.embeddings)
            self.decoder.feed(
                plan.user_codes[t : t + 1],
                state,
                active,
                text=plan.text[t : t + 1],
                agent_codes=plan.agent_codes[t : t + 1],
                embeddings=plan.embeddings[t : t + 1] if is_embedded else None,
            )
            yield

    def end(self, slot: int) -> None:
        """Note that a slot's session is over; its state is made fresh when the next one begins."""
        self._sampled_slots.discard(slot)

    @torch.inference_mode()
    def run(self, inputs: Sequence[StepInput]) -> tuple[list[SlotOutput], int]:
        """Advance the given slots by one frame.

        Args:
            inputs: at least one, each of another slot.

        Returns:
            One output per input, in the same order, and the rows computed.
        """
        rows = bucket(self.num_slots, max(item.slot for item in inputs))
        view = self._view(rows)
        self._active.host.zero_()
        self._next_word.host.fill_(UNFORCED)
        for item in inputs:
            self._pcm.host[item.slot, 0] = torch.from_numpy(item.pcm)
            self._active.host[item.slot] = True
            self._gate.host[item.slot] = item.is_gated
            if item.next_word is not None:
                self._next_word.host[item.slot] = item.next_word
        active, gate = self._active.upload(rows), self._gate.upload(rows)
        is_filling = any(item.next_word is not None for item in inputs)
        heard = self.codec.encode_step(self._pcm.upload(rows), view.codec, active)
        user_codes = torch.where(gate[:, None], self.codec.user_silence, heard)
        output = self.decoder.step(
            user_codes,
            view.decoder,
            active,
            next_word=self._next_word.upload(rows) if is_filling else None,
            sampling=view.sampling if self._sampled_slots else None,
        )
        pcm = self.codec.decode_step(output.agent_codes, view.codec, active & output.valid)
        pcm = torch.where(output.valid[:, None, None], pcm, 0.0)
        return self._collect(inputs, user_codes, output, pcm), rows

    def _view(self, rows: int) -> EngineState:
        if rows not in self._views:
            self._views[rows] = self.state.prefix(rows)
        return self._views[rows]

    def _collect(
        self, inputs: Sequence[StepInput], user_codes: Tensor, output: StepOutput, pcm: Tensor
    ) -> list[SlotOutput]:
        samples = pcm[:, 0].cpu().numpy()
        text = output.text.tolist()
        user_text = None if output.user_text is None else output.user_text.tolist()
        heard, spoken = user_codes.tolist(), output.agent_codes.tolist()
        numbers = torch.stack((output.p_pad, output.p_epad, output.entropy), dim=1).tolist()
        return [
            SlotOutput(
                item.slot,
                samples[item.slot].copy(),
                text[item.slot],
                None if user_text is None else user_text[item.slot],
                tuple(heard[item.slot]),
                tuple(spoken[item.slot]),
                *numbers[item.slot],
            )
            for item in inputs
        ]
