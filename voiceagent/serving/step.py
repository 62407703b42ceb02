"""The one 80 ms step: hear, steer, speak, for every slot whose frame is complete.

Inputs are written into arrays allocated once, on the host, and go to the device in one piece each;
the states live here too, on the device of the weights. The batch is the smallest
bucket (a power of two) that covers the highest slot in use, as a view on the same storage. Not
here: who owns a slot, when to step (`engine`), and where a slot is steered to (`turns`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Generator, Iterator, Mapping, Sequence
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
from voiceagent.serving.steering import Repeat, Steering


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
    heard_codes: tuple[int, ...]  # as it would have without steering
    agent_codes: tuple[int, ...]
    p_pad: float
    p_epad: float
    entropy: float


@dataclasses.dataclass(frozen=True, slots=True)
class HeardFrames:
    """What `BatchStep.hear` leaves for `BatchStep.speak`."""

    inputs: Sequence[StepInput]
    active: Tensor  # bool [rows]
    codes: Tensor  # i64 [rows, K_user]


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


def _tokens(tokens: Mapping[int, int | None], array: _HostArray, rows: int) -> Tensor | None:
    """Tokens by slot as i64 [rows], UNFORCED for the others; None where there are none."""
    given = {slot: token for slot, token in tokens.items() if token is not None}
    if not given:
        return None
    array.host.fill_(UNFORCED)
    for slot, token in given.items():
        array.host[slot] = token
    return array.upload(rows)


class BatchStep:
    """See the module's docstring.

    Next: `begin` when a slot gets a session, then `hear` and `speak`, or both as `run`.
    """

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
        self._closed = _HostArray(num_slots, dtype=torch.bool, device=self.device)
        self._forced = _HostArray(num_slots, dtype=torch.int64, device=self.device)
        self._next_words = _HostArray(num_slots, dtype=torch.int64, device=self.device)

    @functools.cached_property
    def _bias(self) -> _HostArray:
        """Made when first needed: it is the one array as wide as the vocabulary."""
        size = self.decoder.config.text_cardinality
        return _HostArray(self.num_slots, size, dtype=torch.float32, device=self.device)

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

    def start_afresh(self, slot: int) -> None:
        """Let a slot's model forget all it said and heard; its sound goes on."""
        self.state.decoder.reset([slot])

    def forget(self, slot: int, steps: int) -> None:
        """Take back a slot's last steps, at most `ROLLBACK_STEPS`: they have never been.

        Raises:
            SlotError: it has not that many to give back.
        """
        self.state.decoder.rollback([slot], steps)

    @torch.inference_mode()
    def repeat(
        self,
        rows: int,
        repeats: Mapping[int, Sequence[Repeat]],
        older: Mapping[int, int] | None = None,
    ) -> dict[int, list[int]]:
        """Take some slots' last steps again, all of them together: at most 6 steps of the batch.

        Args:
            rows: of the batch that they are taken in; that of the step gives the same bits.
            repeats: by slot, one or more each, oldest first.
            older: by slot, steps before those that are forgotten and not taken again; they and the
                repeats are at most `ROLLBACK_STEPS`.

        Returns:
            By slot, what the model now understands of the user and did not before: text tokens.

        Raises:
            SlotError: a slot has not that many to give back.
        """
        if not repeats:
            return {}
        steps = {slot: len(items) + (older or {}).get(slot, 0) for slot, items in repeats.items()}
        before = {slot: self._chosen(slot, count) for slot, count in steps.items()}
        user_codes, text, agent_codes = self._again(rows, repeats, before)
        for slot, count in steps.items():
            self.forget(slot, count)
        for t in range(len(text)):
            self.decoder.step(
                user_codes[t],
                self._view(rows).decoder,
                text[t] != UNFORCED,
                forced_text=text[t],
                forced_agent_codes=agent_codes[t],
            )
        return {
            slot: self._understood(slot, len(repeats[slot]), tokens)
            for slot, tokens in before.items()
        }

    def _again(
        self, rows: int, repeats: Mapping[int, Sequence[Repeat]], before: Mapping[int, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What steps are taken again with: user codes [T, rows, K], text [T, rows], agent codes.

        All slots end with the last; one that is not in a step yet has UNFORCED text there.
        """
        config, steps = self.decoder.config, max(map(len, repeats.values()))
        text = torch.full((steps, rows), UNFORCED, device=self.device)
        agent_codes = text[..., None].repeat(1, 1, config.agent.codebooks)
        user_codes = torch.zeros(
            steps, rows, config.user.codebooks, dtype=torch.int64, device=self.device
        )
        for slot, items in repeats.items():
            for t, (item, tokens) in enumerate(
                zip(items, before[slot][-len(items) :], strict=True), steps - len(items)
            ):
                user_codes[t, slot] = torch.tensor(item.user_codes)
                text[t, slot] = config.pad_id if item.is_silent else tokens[0]
                agent_codes[t, slot] = tokens[config.text_streams :]
                if item.is_silent and self.codec.spec.is_invertible:  # else it has no such codes
                    agent_codes[t, slot] = self.codec.user_silence
        return user_codes, text, agent_codes

    def _understood(self, slot: int, steps: int, before: Tensor) -> list[int]:
        """Text tokens of the user in a slot's last steps, less those that had been told before."""
        if not self.decoder.config.user_text:
            return []
        found: list[int] = self._chosen(slot, steps)[:, 1].tolist()
        for token in before[:, 1].tolist():
            if token in found:  # perhaps at another step: a word is told once
                found.remove(token)
        return found

    def _chosen(self, slot: int, steps: int) -> Tensor:
        """Tokens of a slot's last steps, as chosen: i64 [steps, S_chosen], a copy."""
        config, state = self.decoder.config, self.state.decoder.alone(slot)
        place = state.positions + torch.arange(1 - steps, 1, device=self.device)
        tokens = state.tokens[0, : config.text_streams + config.agent.codebooks]
        return tokens[:, place % tokens.shape[1]].T

    def run(
        self, inputs: Sequence[StepInput], steerings: Mapping[int, Steering] | None = None
    ) -> tuple[list[SlotOutput], int]:
        """Advance the given slots by one frame.

        Args:
            inputs: at least one, each of another slot.
            steerings: by slot, of those that are steered.

        Returns:
            One output per input, in the same order, and the rows computed.
        """
        return self.speak(self.hear(inputs), steerings or {})

    @torch.inference_mode()
    def hear(self, inputs: Sequence[StepInput]) -> HeardFrames:
        """Encode the users' frames; does not wait for a GPU. Next: `speak`.

        Args:
            inputs: at least one, each of another slot.
        """
        rows = bucket(self.num_slots, max(item.slot for item in inputs))
        self._active.host.zero_()
        for item in inputs:
            self._pcm.host[item.slot, 0] = torch.from_numpy(item.pcm)
            self._active.host[item.slot] = True
            self._gate.host[item.slot] = item.is_gated
        active, gate = self._active.upload(rows), self._gate.upload(rows)
        codes = self.codec.encode_step(self._pcm.upload(rows), self._view(rows).codec, active)
        codes = torch.where(gate[:, None], self.codec.user_silence, codes)
        return HeardFrames(inputs, active, codes)

    @torch.inference_mode()
    def speak(
        self, heard: HeardFrames, steerings: Mapping[int, Steering]
    ) -> tuple[list[SlotOutput], int]:
        """Answer the frames that were heard.

        Args:
            heard: of `hear`, just before.
            steerings: by slot, of those that are steered.

        Returns:
            One output per input, in the same order, and the rows computed.

        Raises:
            ValueError: a steering that this model cannot follow; no slot has answered then.
        """
        rows, active = len(heard.active), heard.active
        view = self._view(rows)
        for steering in steerings.values():
            steering.check(self.decoder.config.text_cardinality)
        user_codes = self._gated(heard.codes, steerings)
        forced = {slot: item.forced_text for slot, item in steerings.items()}
        next_words = {slot: item.next_word for slot, item in steerings.items()}
        output = self.decoder.step(
            user_codes,
            view.decoder,
            active,
            forced_text=_tokens(forced, self._forced, rows),
            logit_bias=self._logit_bias(steerings, rows),
            next_word=_tokens(next_words, self._next_words, rows),
            sampling=view.sampling if self._sampled_slots else None,
        )
        pcm = self.codec.decode_step(output.agent_codes, view.codec, active & output.valid)
        pcm = torch.where(output.valid[:, None, None], pcm, 0.0)
        return self._collect(heard, user_codes, output, pcm), rows

    def _gated(self, codes: Tensor, steerings: Mapping[int, Steering]) -> Tensor:
        """The codes, silence for the slots whose ear is closed."""
        slots = [slot for slot, item in steerings.items() if item.is_gated]
        if not slots:
            return codes
        self._closed.host.zero_()
        self._closed.host[slots] = True
        return torch.where(self._closed.upload(len(codes))[:, None], self.codec.user_silence, codes)

    def _logit_bias(self, steerings: Mapping[int, Steering], rows: int) -> Tensor | None:
        """Biases f32 [rows, V]; None where nobody has one."""
        biases = {
            slot: item.logit_bias for slot, item in steerings.items() if item.logit_bias is not None
        }
        if not biases:
            return None
        self._bias.host.zero_()
        for slot, bias in biases.items():
            self._bias.host[slot] = torch.from_numpy(bias)
        return self._bias.upload(rows)

    def _view(self, rows: int) -> EngineState:
        if rows not in self._views:
            self._views[rows] = self.state.prefix(rows)
        return self._views[rows]

    def _collect(
        self, heard: HeardFrames, user_codes: Tensor, output: StepOutput, pcm: Tensor
    ) -> list[SlotOutput]:
        samples = pcm[:, 0].cpu().numpy()
        text = output.text.tolist()
        user_text = None if output.user_text is None else output.user_text.tolist()
        given, spoken = user_codes.tolist(), output.agent_codes.tolist()
        codes = given if user_codes is heard.codes else heard.codes.tolist()
        numbers = torch.stack((output.p_pad, output.p_epad, output.entropy), dim=1).tolist()
        return [
            SlotOutput(
                item.slot,
                samples[item.slot].copy(),
                text[item.slot],
                None if user_text is None else user_text[item.slot],
                tuple(given[item.slot]),
                tuple(codes[item.slot]),
                tuple(spoken[item.slot]),
                *numbers[item.slot],
            )
            for item in heard.inputs
        ]
