"""The full-duplex decoder: user codes in, the agent's text and codes out, one step per 80 ms.

One class for every Moshi-type model; `DecoderConfig` says which. Each slot has its own position, so
slots of one batch start, stop and reset independently. Not here: sound (the codec), turn-taking,
and which slots step when (`voiceagent.serving`).

The order within a step is that of `LMGen.step` of kyutai-labs/moshi 0.2.13: write the user's codes,
read every stream at this position (its initial token while ``position <= delay``), run the temporal
transformer, choose text, run the depth transformer, write the choices one position later. The
aligned output frame trails by `output_delay` steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from voiceagent_codec.errors import CodecError, CodeError, SlotError
from voiceagent_codec.streaming import SlotState, mask_or_none, write
from voiceagent_kernels.reference.ring_attention import ring_mask
from voiceagent_kernels.reference.rope import rope_rotation

from voiceagent.model.config import ROLLBACK_STEPS, DecoderConfig
from voiceagent.model.depth import DepthTransformer
from voiceagent.model.layers import Norm, RingState, TransformerLayer
from voiceagent.model.sampling import UNFORCED, Sampler, Sampling


@dataclasses.dataclass
class DecoderState(SlotState):
    """Where every slot's conversation stands; all zero in a fresh slot.

    Next: `Decoder.step`, once per frame.
    """

    positions: Tensor  # i64 [B], steps done
    room: Tensor  # i64 [B], steps that can still be rolled back
    tokens: Tensor  # i64 [B, S, R], the last tokens of every stream, at position % R
    rings: list[RingState]

    def rollback(self, slots: Sequence[int], steps: int) -> None:
        """Forget the last steps of some slots, as if they had not been taken.

        Raises:
            SlotError: an index is out of range, or a slot has not that many steps to give back (at
                most ROLLBACK_STEPS, fewer at the start and after another rollback). Nothing has
                been changed then.
        """
        self.check_slots(slots)
        rows = torch.tensor(list(slots), dtype=torch.int64, device=self.positions.device)
        room = min(self.room[rows].tolist(), default=ROLLBACK_STEPS)
        if not 0 <= steps <= room:
            raise SlotError(f"cannot roll back {steps} steps; these slots allow 0 to {room}")
        self.positions[rows] -= steps
        self.room[rows] -= steps


@dataclasses.dataclass(frozen=True, slots=True)
class StepOutput:
    """What one step decided; rows of inactive slots are meaningless."""

    text: Tensor  # i64 [B]; known `output_delay` steps before its aligned frame
    user_text: Tensor | None  # i64 [B], None for a model without that stream
    agent_codes: Tensor  # i64 [B, K], one aligned frame
    valid: Tensor  # bool [B]; False while a delayed stream has not filled its first frame
    # of the text distribution before any bias or forcing
    p_pad: Tensor  # f32 [B], probability of silence
    p_epad: Tensor  # f32 [B], probability of a word starting at the next step
    entropy: Tensor  # f32 [B], nats


class Decoder(nn.Module):
    """See the module's docstring."""

    initial: Tensor
    delays: Tensor
    code_offsets: Tensor
    always_initial: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        sizes = config.temporal
        width = sizes.width
        self.text_embedding = nn.Embedding(config.text_rows, width)
        self.user_text_embedding = (
            nn.Embedding(config.text_rows, width) if config.user_text else None
        )
        self.agent_embedding = nn.Embedding(config.agent.codebooks * config.agent_rows, width)
        self.user_embedding = nn.Embedding(config.user.codebooks * config.user_rows, width)
        self.layers = nn.ModuleList(TransformerLayer(sizes) for _ in range(sizes.layers))
        self.norm = Norm(sizes)
        self.text_head = nn.Linear(width, config.text_cardinality, config.head_bias)
        self.user_text_head = (
            nn.Linear(width, config.text_cardinality, config.head_bias)
            if config.user_text
            else None
        )
        self.depth = DepthTransformer(config)
        self._register_stream_tables()
        self.requires_grad_(False)

    def init_state(
        self, num_slots: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> DecoderState:
        """State of fresh slots; `dtype` is that of the keys."""
        if num_slots < 1:
            raise SlotError(f"a state needs at least one slot, not {num_slots}")
        config = self.config

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(num_slots, *shape, device=device, dtype=torch.int64)

        return DecoderState(
            positions=zeros(),
            room=zeros(),
            tokens=zeros(len(config.delays), config.token_steps),
            rings=[
                layer.init_ring(num_slots, config.ring_steps, device, dtype)
                for layer in self._temporal()
            ],
        )

    @torch.inference_mode()
    def step(
        self,
        user_codes: Tensor,
        state: DecoderState,
        active: Tensor,
        *,
        forced_text: Tensor | None = None,
        forced_agent_codes: Tensor | None = None,
        logit_bias: Tensor | None = None,
        sampling: Sampling | None = None,
        oracle: Tensor | None = None,
    ) -> StepOutput:
        """Advance every active slot by one frame.

        Args:
            user_codes: i64 [B, K_user], of `Codec.encode_step`.
            state: B slots, changed in place where active.
            active: bool [B].
            forced_text: i64 [B], UNFORCED where the model may choose, and in inactive rows.
            forced_agent_codes: i64 [B, K_agent], UNFORCED likewise.
            logit_bias: f32 [B, text_cardinality], added to the text logits.
            sampling: per-slot settings; None is greedy.
            oracle: reserved for a stream of outside knowledge; must be None.

        Returns:
            Text, codes and the text stream's probabilities.

        Raises:
            CodeError: codes or forced tokens of the wrong shape, dtype or (on a CPU) range.
            SlotError: the state is of another batch size.
        """
        if oracle is not None:
            raise CodecError("the oracle input is reserved; this model has no such stream")
        self._check(user_codes, state, active, forced_text, forced_agent_codes, logit_bias)
        if sampling is not None:
            sampling.check_batch(user_codes.shape[0], active)
        mask = mask_or_none(active)
        self._write_user(user_codes, state, mask)
        hidden = self._temporal_step(self._read_inputs(state), state, mask)
        sampler = Sampler(sampling, state.positions)
        logits = self.text_head(hidden).float()
        text = sampler.text(logits if logit_bias is None else logits + logit_bias)
        if forced_text is not None:
            text = torch.where(forced_text != UNFORCED, forced_text, text)
        user_text = None
        if self.user_text_head is not None:
            user_text = sampler.user_text(self.user_text_head(hidden))
        codes = self.depth.generate(hidden, text, forced_agent_codes, sampler)
        return self._finish(logits, text, user_text, codes, state, mask)

    def forward(
        self, tokens: Tensor, text: Tensor, codes: Tensor, at: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Teacher-forced logits of whole sequences, for training and for checking `step`.

        Args:
            tokens: i64 [B, S, T], what each stream is fed at each step (initial tokens included).
            text: i64 [B, T], the text token of each step, which the depth transformer sees.
            codes: i64 [B, K_agent, T], the codes chosen at each step.
            at: bool [B, T], the N steps whose code logits are wanted; None is all of them.

        Returns:
            Text logits [B, T, V], user text logits or None, code logits [B, T, K_agent, V_code],
            or [N, K_agent, V_code] where `at` is given.
        """
        x = self._embed(tokens.transpose(1, 2))
        length = x.shape[1]
        steps = torch.arange(length, device=x.device)
        age = steps[:, None] - steps
        mask = (age >= 0) & (age < self.config.context)
        rotation = self._rotation(steps[None])
        for layer in self._temporal():
            x = layer(x, rotation, mask)
        hidden = self.norm(x)
        user_logits = None if self.user_text_head is None else self.user_text_head(hidden)
        by_step = codes.transpose(1, 2)
        if at is not None:
            return (
                self.text_head(hidden),
                user_logits,
                self.depth(hidden[at], text[at], by_step[at]),
            )
        code_logits = self.depth(hidden.flatten(0, 1), text.flatten(), by_step.flatten(0, 1))
        return self.text_head(hidden), user_logits, code_logits.unflatten(0, text.shape)

    def _register_stream_tables(self) -> None:
        config = self.config
        agent = torch.arange(config.agent.codebooks) * config.agent_rows
        user = torch.arange(config.user.codebooks) * config.user_rows
        fed = torch.ones(len(config.delays), dtype=torch.bool)
        fed[config.text_streams : config.text_streams + config.agent.codebooks] = (
            config.feed_agent_codes
        )
        tables = {
            "initial": torch.tensor(config.initial_tokens),
            "delays": torch.tensor(config.delays),
            "code_offsets": torch.cat((agent, user)),
            "always_initial": ~fed,
        }
        for name, value in tables.items():
            self.register_buffer(name, value, persistent=False)

    def _temporal(self) -> list[TransformerLayer]:
        return list(self.layers)  # type: ignore[arg-type]  # ModuleList forgets what it holds

    def _rotation(self, positions: Tensor) -> Tensor | None:
        sizes = self.config.temporal
        if sizes.rope_base is None:
            return None
        return rope_rotation(positions, sizes.head_width, sizes.rope_base)

    def _write_user(self, user_codes: Tensor, state: DecoderState, mask: Tensor | None) -> None:
        """Each user stream's code goes to the position where its delay is over."""
        first = state.tokens.shape[1] - user_codes.shape[1]
        self._write_tokens(
            state.tokens[:, first:],
            user_codes,
            state.positions[:, None] + self.delays[first:],
            mask,
        )

    def _write_tokens(
        self, ring: Tensor, new: Tensor, positions: Tensor, mask: Tensor | None
    ) -> None:
        """Store i64 [B, S] at positions [B, S] or [B, 1] of a ring [B, S, R], in place."""
        index = (positions % ring.shape[2]).expand(new.shape)[..., None]
        new = new[..., None]
        if mask is not None:
            new = torch.where(mask[:, None, None], new, ring.gather(2, index))
        ring.scatter_(2, index, new)

    def _read_inputs(self, state: DecoderState) -> Tensor:
        """What every stream is fed at this position: i64 [B, S]."""
        positions = state.positions[:, None]
        index = (positions % state.tokens.shape[2]).expand(-1, state.tokens.shape[1])[..., None]
        stored = state.tokens.gather(2, index)[..., 0]
        not_yet = (positions <= self.delays) | self.always_initial
        return torch.where(not_yet, self.initial, stored)

    def _embed(self, tokens: Tensor) -> Tensor:
        """i64 [..., S] -> [..., D], the sum over streams; a token of -1 adds nothing."""
        config = self.config
        texts = config.text_streams
        last_agent = texts + config.agent.codebooks
        x = _lookup(self.text_embedding, tokens[..., 0])
        if self.user_text_embedding is not None:
            x = x + _lookup(self.user_text_embedding, tokens[..., 1])
        agent = _lookup(
            self.agent_embedding,
            tokens[..., texts:last_agent],
            self.code_offsets[: last_agent - texts],
        )
        user = _lookup(
            self.user_embedding, tokens[..., last_agent:], self.code_offsets[last_agent - texts :]
        )
        return x + agent.sum(-2) + user.sum(-2)

    def _temporal_step(self, tokens: Tensor, state: DecoderState, mask: Tensor | None) -> Tensor:
        x = self._embed(tokens)
        visible = ring_mask(state.positions, self.config.ring_steps, self.config.context)
        rotation = self._rotation(state.positions[:, None])
        for layer, ring in zip(self._temporal(), state.rings, strict=True):
            x = layer.step(x, ring, state.positions, rotation, visible, mask)
        normed: Tensor = self.norm(x)
        return normed

    def _finish(
        self,
        logits: Tensor,
        text: Tensor,
        user_text: Tensor | None,
        codes: Tensor,
        state: DecoderState,
        mask: Tensor | None,
    ) -> StepOutput:
        """Store the choices one position later, move on, and line up the output frame."""
        config = self.config
        texts = [text] if user_text is None else [text, user_text]
        chosen = torch.cat((torch.stack(texts, dim=1), codes), dim=1)
        ring = state.tokens[:, : chosen.shape[1]]
        self._write_tokens(ring, chosen, state.positions[:, None] + 1, mask)
        after = state.positions + 1
        frame = codes
        if config.output_delay:
            agent_ring = ring[:, config.text_streams :]
            delays = self.delays[config.text_streams : ring.shape[1]]
            place = (after[:, None] - config.output_delay + delays) % ring.shape[2]
            frame = agent_ring.gather(2, place[..., None])[..., 0]
        write(state.room, (state.room + 1).clamp(max=ROLLBACK_STEPS), mask)
        write(state.positions, after, mask)
        log_p = F.log_softmax(logits, dim=-1)
        p = log_p.exp()
        return StepOutput(
            text=text,
            user_text=user_text,
            agent_codes=frame,
            valid=after > config.output_delay,
            p_pad=p[:, config.pad_id],
            p_epad=p[:, config.epad_id],
            entropy=-(p * log_p).sum(-1),
        )

    def _check(
        self,
        user_codes: Tensor,
        state: DecoderState,
        active: Tensor,
        forced_text: Tensor | None,
        forced_agent_codes: Tensor | None,
        logit_bias: Tensor | None,
    ) -> None:
        config = self.config
        rows = user_codes.shape[0]
        state.check_batch(rows, active)
        _check_tokens(
            "user_codes", user_codes, (rows, config.user.codebooks), active, config.user_rows
        )
        if forced_text is not None:
            _check_tokens("forced_text", forced_text, (rows,), active, config.text_rows)
        if forced_agent_codes is not None:
            shape = (rows, config.agent.codebooks)
            _check_tokens(
                "forced_agent_codes", forced_agent_codes, shape, active, config.agent_rows
            )
        if logit_bias is not None:
            expected = (rows, config.text_cardinality)
            if tuple(logit_bias.shape) != expected or logit_bias.dtype != torch.float32:
                found = f"{logit_bias.dtype} {list(logit_bias.shape)}"
                raise CodeError(f"logit_bias is float32 {list(expected)}, not {found}")


def _lookup(embedding: nn.Embedding, ids: Tensor, offsets: Tensor | None = None) -> Tensor:
    """Embed ids; -1 embeds to exactly zero."""
    safe = ids.clamp(min=0)
    rows = F.embedding(safe if offsets is None else safe + offsets, embedding.weight)
    return rows * (ids >= 0)[..., None]


def _check_tokens(
    name: str, tokens: Tensor, shape: tuple[int, ...], active: Tensor, rows: int
) -> None:
    """Raise CodeError unless tokens fit; the range is looked at on a CPU only (no sync)."""
    if tokens.dtype != torch.int64 or tuple(tokens.shape) != shape:
        raise CodeError(f"{name} is int64 {list(shape)}, not {tokens.dtype} {list(tokens.shape)}")
    if tokens.device.type == "cpu":
        is_forced = name.startswith("forced")
        used = tokens if is_forced else tokens[active]
        lowest = UNFORCED if is_forced else -1
        if used.numel() and (int(used.min()) < lowest or int(used.max()) >= rows):
            raise CodeError(
                f"{name} run from {lowest} to {rows - 1}, these from {int(used.min())} "
                f"to {int(used.max())}"
            )
