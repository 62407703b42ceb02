"""The one 80 ms step: hear, decide, speak, for every slot whose frame is complete.

Inputs are written into arrays allocated once; the states live here too. The batch is the smallest
bucket (a power of two) that covers the highest slot in use, as a view on the same storage. Not
here: who owns a slot, and when to step (`engine`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from voiceagent_codec.base import Codec
from voiceagent_codec.streaming import SlotState

from voiceagent.audio.framing import Samples
from voiceagent.model.decoder import Decoder, DecoderState, StepOutput
from voiceagent.model.sampling import Sampling
from voiceagent.serving.config import SessionOptions
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


class BatchStep:
    """See the module's docstring. Next: `begin` when a slot gets a session, then `run`."""

    def __init__(self, codec: Codec[Any], decoder: Decoder, num_slots: int) -> None:
        self.codec = codec
        self.decoder = decoder
        self.num_slots = num_slots
        spec = codec.spec
        self.state = EngineState(
            codec.init_state(num_slots), decoder.init_state(num_slots), Sampling.greedy(num_slots)
        )
        self._views = {num_slots: self.state}
        self._sampled_slots: set[int] = set()
        self._pcm = torch.zeros(num_slots, 1, spec.frame_samples)
        self._active = torch.zeros(num_slots, dtype=torch.bool)
        self._gate = torch.zeros(num_slots, dtype=torch.bool)

    def begin(self, slot: int, options: SessionOptions) -> None:
        """Give a slot a fresh state and its session's sampling settings."""
        self.state.reset([slot])
        self._sampled_slots.discard(slot)
        if options.is_greedy:
            return
        self._sampled_slots.add(slot)
        sampling = self.state.sampling
        sampling.text_temperature[slot] = options.text_temperature
        sampling.text_top_k[slot] = options.text_top_k
        sampling.code_temperature[slot] = options.code_temperature
        sampling.code_top_k[slot] = options.code_top_k
        sampling.seed[slot] = options.seed

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
        active, gate = self._active[:rows], self._gate[:rows]
        active.zero_()
        for item in inputs:
            self._pcm[item.slot, 0] = torch.from_numpy(item.pcm)
            active[item.slot] = True
            gate[item.slot] = item.is_gated
        heard = self.codec.encode_step(self._pcm[:rows], view.codec, active)
        user_codes = torch.where(gate[:, None], self.codec.user_silence, heard)
        output = self.decoder.step(
            user_codes,
            view.decoder,
            active,
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
        samples = pcm[:, 0].numpy()
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
