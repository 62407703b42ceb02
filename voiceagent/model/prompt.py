"""Role and voice before a conversation: which tokens the decoder is fed, step by step.

PersonaPlex's order, one frame a step: voice -> 0.5 s of silence -> role -> 0.5 s of silence. All
the while the user's stream carries a 440 Hz tone; the agent's carries the voice, then silence; the
text stream is PAD but for the role, one token a frame. Pure: no sound, no weights, no slots.

How tokens land: frame `f` of any stream lies at position ``f + delay`` of that stream, in the
reference as here. The reference writes frame `s` in its call `s` and then runs the model on
position ``s - 1``; ours (moshi 0.2.13's order) runs call `s` on position `s` and stores what was
chosen at ``s + 1``. So call `t` of a plan forces the text of frame ``t + 1`` and code `k` of frame
``t + 1 - delay_k``, and after as many calls as there are frames both have written the same tokens
at the same positions, but live sound is heard 80 ms earlier. One call more than in the reference
is forced to the end (PAD and silence, where it would draw a text token and a semantic code before
it hears anybody), so that what a prompt leaves behind depends on no session's seed.

Source: NVIDIA/personaplex 3428dfd, moshi/models/lm.py (`step_system_prompts`, `SINE_TOKENS`,
`SILENCE_TOKENS`) and moshi/server.py (`wrap_with_system_tags`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from voiceagent.errors import PromptRefused
from voiceagent.model.config import DecoderConfig
from voiceagent.model.tokenizer import Tokenizer
from voiceagent.model.voice import Voice

#: Frames of silence after the voice and after the role: 0.5 s.
SILENCE_FRAMES = 6
_TAG = "<system>"


@dataclasses.dataclass(frozen=True, slots=True)
class PromptCodes:
    """One frame of what the streams carry while nobody talks; Mimi's by default.

    Attributes:
        tone: codes of a 440 Hz sine, for the user's stream.
        silence: codes of silence, for the agent's.
    """

    tone: tuple[int, ...] = (430, 1268, 381, 1611, 1095, 1495, 56, 472)
    silence: tuple[int, ...] = (948, 243, 1178, 546, 1736, 1030, 1978, 2008)

    def fits(self, config: DecoderConfig) -> bool:
        """Whether a decoder knows these codes."""
        sides = ((self.tone, config.user), (self.silence, config.agent))
        return all(
            len(codes) == space.codebooks and max(codes) < space.cardinality
            for codes, space in sides
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PromptPlan:
    """What every step of a prompt is given, T of them. Next: `Decoder.feed`, row by row.

    Attributes:
        text: i64 [T], forced.
        agent_codes: i64 [T, K_agent], forced.
        user_codes: i64 [T, K_user].
        embeddings: f32 [E, D], what the first steps are fed instead of tokens; E may be 0.
    """

    text: Tensor
    agent_codes: Tensor
    user_codes: Tensor
    embeddings: Tensor

    @property
    def steps(self) -> int:
        """T."""
        return len(self.text)

    def to(self, device: torch.device, dtype: torch.dtype) -> PromptPlan:
        """The same on a device, with embeddings of a dtype."""
        return PromptPlan(
            self.text.to(device),
            self.agent_codes.to(device),
            self.user_codes.to(device),
            self.embeddings.to(device, dtype),
        )


def role_tokens(role: str, tokenizer: Tokenizer) -> list[int]:
    """A role between the tags that the model was trained with; nothing for an empty one."""
    text = role.strip()
    if not text:
        return []
    if not (text.startswith(_TAG) and text.endswith(_TAG)):
        text = f"{_TAG} {text} {_TAG}"
    return tokenizer.encode(text)


def prompt_steps(voice_frames: int, num_tokens: int) -> int:
    """Steps that a prompt takes; 0 for an empty one."""
    return voice_frames + num_tokens + 2 * SILENCE_FRAMES if voice_frames or num_tokens else 0


def check_steps(steps: int, config: DecoderConfig) -> None:
    """Raise PromptRefused for a prompt that leaves less than half of the window to talk in."""
    most = config.context // 2
    if steps > most:
        raise PromptRefused(
            f"voice and role take {steps} steps of 80 ms, and this model keeps at most {most} "
            f"(half of its window of {config.context}): shorten the role or cut the voice"
        )


def plan_prompt(
    config: DecoderConfig,
    tokens: Sequence[int],
    voice: Voice | None,
    codes: PromptCodes | None = None,
) -> PromptPlan:
    """Lay out a prompt.

    Args:
        config: of the decoder that will be fed.
        tokens: of `role_tokens`.
        voice: how the agent shall sound, or None.
        codes: of tone and silence; Mimi's by default.

    Raises:
        PromptRefused: it is longer than half of the window, or the voice is another model's.
    """
    codes = codes or PromptCodes()
    heard = voice.frames if voice else 0
    steps = prompt_steps(heard, len(tokens))
    check_steps(steps, config)
    text = torch.full((steps,), config.pad_id)
    begin = heard + SILENCE_FRAMES
    text[begin : begin + len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
    agent = torch.tensor(codes.silence).repeat(steps, 1)
    embeddings = torch.zeros(0, config.temporal.width)
    if voice is not None:
        voice.check(config)
        agent[heard - len(voice.codes) : heard] = voice.codes
        embeddings = voice.embeddings
    return PromptPlan(
        text=_landed(text[:, None], [0], (config.pad_id,))[:, 0],
        agent_codes=_landed(agent, config.agent_delays, codes.silence),
        user_codes=torch.tensor(codes.tone).repeat(steps, 1),
        embeddings=embeddings,
    )


def _landed(frames: Tensor, delays: Sequence[int], after: Sequence[int]) -> Tensor:
    """Frames i64 [T, S] as calls force them: call t writes position t + 1 of each stream.

    `after` stands for the frames beyond the last one, and before the first, where the decoder
    reads its initial tokens anyway.
    """
    steps = len(frames)
    landed = torch.tensor(after).repeat(steps, 1)
    for stream, delay in enumerate(delays):
        first = max(0, delay - 1)  # the call in which frame 0 lands, or frame 1 without a delay
        source = first + 1 - delay
        length = max(0, min(steps - first, steps - source))
        landed[first : first + length, stream] = frames[source : source + length, stream]
    return landed
