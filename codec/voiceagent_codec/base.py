"""What every codec offers: PCM frames in and out, two code spaces, a state per slot.

A full-duplex model need not hear and speak the same codes, so the *user* space (what
`encode_step` makes) and the *agent* space (what `decode_step` takes) are declared separately. A
codec is invertible when they are one space, so that encoded user sound can be decoded again.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor

from voiceagent_codec.errors import CodeError, FrameError, NotInvertible
from voiceagent_codec.fields import check_fields
from voiceagent_codec.streaming import SlotState


@dataclasses.dataclass(frozen=True, slots=True)
class CodeSpace:
    """A set of parallel codebooks: `codebooks` indices per frame, each below `cardinality`."""

    codebooks: int
    cardinality: int

    def __post_init__(self) -> None:
        check_fields(self)
        if self.codebooks < 1 or self.cardinality < 2:
            raise ValueError(f"a code space needs codebooks >= 1 and cardinality >= 2: {self}")


@dataclasses.dataclass(frozen=True, slots=True)
class CodecSpec:
    """The numbers that a caller of a codec must know."""

    sample_rate_hz: int
    frame_samples: int
    user: CodeSpace
    agent: CodeSpace
    is_invertible: bool

    def __post_init__(self) -> None:
        if self.is_invertible and self.user != self.agent:
            raise ValueError("an invertible codec has one code space for user and agent")

    @property
    def frame_rate_hz(self) -> float:
        """Frames, and so model steps, per second."""
        return self.sample_rate_hz / self.frame_samples

    @property
    def frame_ms(self) -> float:
        """Duration of one frame."""
        return 1000 * self.frame_samples / self.sample_rate_hz


State = TypeVar("State", bound=SlotState)


class Codec(ABC, Generic[State]):
    """PCM frames <-> codes over a batch of desynchronised slots.

    `encode_step` and `decode_step` touch separate parts of the state, so either may run alone.
    """

    spec: CodecSpec
    #: A frame of steady silence as user codes, i64 [K_user]: what the input gate feeds the model.
    user_silence: Tensor

    @abstractmethod
    def init_state(
        self, num_slots: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> State:
        """New state of `num_slots` fresh slots. Next: `encode_step` or `decode_step`."""

    def use_int8(self) -> None:  # most have nothing to gain
        """Compute in 8 bits what is fast and good enough in them on this CPU. Call once, last."""

    @abstractmethod
    def encode_step(self, pcm: Tensor, state: State, active: Tensor) -> Tensor:
        """Hear one frame per slot.

        Args:
            pcm: f32 [B, 1, frame_samples] in -1 .. 1, on the state's device.
            state: B slots; only active ones change.
            active: bool [B]. An inactive row's codes are meaningless.

        Returns:
            User codes i64 [B, K_user].

        Raises:
            FrameError: `pcm` has another shape or dtype.
            SlotError: the state is of another batch size.
        """

    @abstractmethod
    def decode_step(self, codes: Tensor, state: State, active: Tensor) -> Tensor:
        """Speak one frame per slot.

        Args:
            codes: agent codes i64 [B, K_agent], on the state's device.
            state: B slots; only active ones change.
            active: bool [B]. An inactive row's samples are meaningless.

        Returns:
            f32 [B, 1, frame_samples], nominally in -1 .. 1, not clipped.

        Raises:
            CodeError: `codes` has another shape or dtype, or (on a CPU) is out of range.
            SlotError: the state is of another batch size.
        """

    def decode_user_step(self, codes: Tensor, state: State, active: Tensor) -> Tensor:
        """Play back what the user said, from its codes; only an invertible codec can.

        Raises:
            NotInvertible: the user codes carry no sound.
        """
        if not self.spec.is_invertible:
            raise NotInvertible(
                f"{type(self).__name__} hears {self.spec.user.codebooks} codes of meaning and "
                "speaks another code space: user codes cannot be turned back into sound"
            )
        return self.decode_step(codes, state, active)

    def check_frame(self, pcm: Tensor, state: State, active: Tensor) -> None:
        """Raise FrameError or SlotError unless this is one float32 frame per slot."""
        expected = (pcm.shape[0], 1, self.spec.frame_samples)
        if tuple(pcm.shape) != expected or pcm.dtype != torch.float32:
            raise FrameError(
                f"a frame is float32 [B, 1, {self.spec.frame_samples}], "
                f"not {pcm.dtype} {list(pcm.shape)}"
            )
        state.check_batch(pcm.shape[0], active)

    def check_codes(self, codes: Tensor, state: State, active: Tensor) -> None:
        """Raise CodeError or SlotError unless these are agent codes, one row per slot.

        The range is looked at on a CPU only: on a GPU the look would stall the step.
        """
        space = self.spec.agent
        if codes.dtype != torch.int64 or codes.dim() != 2 or codes.shape[1] != space.codebooks:
            raise CodeError(
                f"agent codes are int64 [B, {space.codebooks}], "
                f"not {codes.dtype} {list(codes.shape)}"
            )
        state.check_batch(codes.shape[0], active)
        if codes.device.type == "cpu":
            used = codes[active]
            if used.numel() and (int(used.min()) < 0 or int(used.max()) >= space.cardinality):
                raise CodeError(
                    f"agent codes run from 0 to {space.cardinality - 1}, "
                    f"these from {int(used.min())} to {int(used.max())}"
                )
