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
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from voiceagent_codec.errors import CodecError, CodeError, SlotError
from voiceagent_codec.streaming import SlotState, mask_or_none, write
from voiceagent_kernels.reference.ring_attention import ring_mask, ring_places
from voiceagent_kernels.reference.rope import rope_rotation

from voiceagent.model.config import ROLLBACK_STEPS, DecoderConfig
from voiceagent.model.depth import DepthTransformer
from voiceagent.model.layers import Norm, RingState, RingView, TransformerLayer
from voiceagent.model.sampling import UNFORCED, Sampler, Sampling, only_word

#: Shorter prefixes of a ring would save nothing.
MIN_LIVE_PLACES = 64


@dataclasses.dataclass
class DecoderState(SlotState):
    """Where every slot's conversation stands; all zero in a fresh slot.

    Next: `Decoder.step`, once per frame.
    """

    positions: Tensor  # i64 [B], steps done
    room: Tensor  # i64 [B], steps that can still be rolled back
    pinned: Tensor  # i64 [B], leading steps whose keys stay when the context is full
    tokens: Tensor  # i64 [B, S, R], the last tokens of every stream, at position % R
    rings: list[RingState]

    def pin(self, slots: Sequence[int], steps: int) -> None:
        """Keep the keys of the first steps of some slots for as long as the slots live.

        They count towards the context: as many fewer of the newest steps are seen.

        Args:
            slots: which.
            steps: how many, all of them taken; 0 lets them go, while the ring has not turned.

        Raises:
            SlotError: a slot has taken fewer steps, or so many that the ring has turned already, or
                the pinned steps would leave no room for others. Nothing has been changed then.
        """
        self.check_slots(slots)
        rows = torch.tensor(list(slots), dtype=torch.int64, device=self.positions.device)
        ring_steps = self.rings[0].keys.shape[2]
        context = ring_steps - ROLLBACK_STEPS
        if not 0 <= steps < context:
            raise SlotError(f"cannot pin {steps} steps of a context of {context}")
        taken = self.positions[rows].tolist()
        if taken and not steps <= min(taken) <= max(taken) <= ring_steps:
            raise SlotError(
                f"cannot pin {steps} steps: these slots have taken {min(taken)} to {max(taken)}, "
                f"and it must be {steps} to {ring_steps}"
            )
        self.pinned[rows] = steps

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
    logits: Tensor  # f32 [B, V]
    p_pad: Tensor  # f32 [B], probability of silence
    p_epad: Tensor  # f32 [B], probability of a word starting at the next step
    entropy: Tensor  # f32 [B], nats


@dataclasses.dataclass(frozen=True, slots=True)
class Reach:
    """How much of the rings a step must look at: host integers, so that its shapes are fixed.

    Powers of two or whole rings, so that few different steps have to be captured.

    Attributes:
        live_places: leading places of the rings that hold anything.
        pinned_places: leading places among which pinned ones are; 0 while none of them has to be
            seen from another distance than it has, that is before a context is full.
    """

    live_places: int
    pinned_places: int = 0

    @classmethod
    def of(cls, config: DecoderConfig, live_steps: int, pinned_steps: int = 0) -> Reach:
        """The smallest that does.

        Args:
            config: of the decoder.
            live_steps: the most steps that any slot has taken after this step.
            pinned_steps: the most that any slot has pinned.
        """
        ring = config.ring_steps
        live = min(ring, _power_of_two(live_steps))
        if live_steps <= config.context or not pinned_steps:
            return cls(live)
        return cls(live, min(ring, _power_of_two(pinned_steps)))


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
        self._register_stream_tables("cpu")
        self.requires_grad_(False)

    @classmethod
    def outline(cls, config: DecoderConfig) -> Decoder:
        """A decoder on the meta device: names and shapes, no memory."""
        with torch.device("meta"), _NoInitialValues():
            return cls(config)

    @classmethod
    def allocate(
        cls, config: DecoderConfig, device: torch.device | str, dtype: torch.dtype
    ) -> Decoder:
        """A decoder whose parameters have memory but no values yet. Next: fill every one."""
        decoder = cls.outline(config)
        for module in decoder.modules():  # as to_empty does, which loads PyTorch's compiler
            for name, outline in module.named_parameters(recurse=False):
                value = torch.empty(outline.shape, device=device, dtype=dtype)
                setattr(module, name, nn.Parameter(value, requires_grad=False))
        decoder._register_stream_tables(device)
        return decoder.eval()

    def temporal_layers(self) -> list[TransformerLayer]:
        """The transformer over steps."""
        return list(self.layers)  # type: ignore[arg-type]  # ModuleList forgets what it holds

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
            pinned=zeros(),
            tokens=zeros(len(config.delays), config.token_steps),
            rings=[
                layer.init_ring(num_slots, config.ring_steps, device, dtype)
                for layer in self.temporal_layers()
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
        next_word: Tensor | None = None,
        sampling: Sampling | None = None,
        oracle: Tensor | None = None,
        reach: Reach | None = None,
    ) -> StepOutput:
        """Advance every active slot by one frame.

        Args:
            user_codes: i64 [B, K_user], of `Codec.encode_step`.
            state: B slots, changed in place where active.
            active: bool [B].
            forced_text: i64 [B], UNFORCED where the model may choose, and in inactive rows.
            forced_agent_codes: i64 [B, K_agent], UNFORCED likewise.
            logit_bias: f32 [B, text_cardinality], added to the text logits.
            next_word: i64 [B], UNFORCED where the model may choose, else the one token besides PAD
                and EPAD that it may say, as likely as all were together; PAD for none.
            sampling: per-slot settings; None is greedy.
            oracle: reserved for a stream of outside knowledge; must be None.
            reach: how much of the rings to look at, where the caller knows; it changes the time of
                a step and none of its bits. None looks at the positions on a CPU, and at whole
                rings elsewhere.

        Returns:
            Text, codes and the text stream's probabilities.

        Raises:
            CodeError: codes or forced tokens of the wrong shape, dtype or (on a CPU) range.
            SlotError: the state is of another batch size.
        """
        if oracle is not None:
            raise CodecError("the oracle input is reserved; this model has no such stream")
        self._check(
            user_codes, state, active, forced_text, forced_agent_codes, logit_bias, next_word
        )
        if sampling is not None:
            sampling.check_batch(user_codes.shape[0], active)
        mask = mask_or_none(active)
        self._write_user(user_codes, state, mask)
        reach = reach or self._reach(state, active)
        hidden = self._temporal_step(self.embed(self._read_inputs(state)), state, reach, mask)
        sampler = Sampler(sampling, state.positions)
        logits = self.text_head(hidden).float()
        wanted = logits if logit_bias is None else logits + logit_bias
        if next_word is not None:
            wanted = only_word(wanted, next_word, self.config.pad_id, self.config.epad_id)
        text = sampler.text(wanted)
        if forced_text is not None:
            text = torch.where(forced_text != UNFORCED, forced_text, text)
        user_text = None
        if self.user_text_head is not None:
            user_text = sampler.user_text(self.user_text_head(hidden))
        codes = self.depth.generate(hidden, text, forced_agent_codes, sampler)
        return self._finish(logits, text, user_text, codes, state, mask)

    @torch.inference_mode()
    def feed(
        self,
        user_codes: Tensor,
        state: DecoderState,
        active: Tensor,
        *,
        text: Tensor,
        agent_codes: Tensor,
        embeddings: Tensor | None = None,
    ) -> None:
        """Advance by a frame of a prompt: a `step` with everything forced, less what it discards.

        The state afterwards is that of the step, bit for bit, but cannot be rolled back.

        Args:
            user_codes: i64 [B, K_user].
            state: B slots, changed in place where active.
            active: bool [B].
            text: i64 [B].
            agent_codes: i64 [B, K_agent].
            embeddings: [B, D], fed instead of the sum of the streams' embeddings at this position.

        Raises:
            CodeError: codes or tokens of the wrong shape, dtype or (on a CPU) range.
            SlotError: the state is of another batch size.
        """
        self._check(user_codes, state, active, text, agent_codes, None)
        mask = mask_or_none(active)
        self._write_user(user_codes, state, mask)
        if embeddings is None:
            embeddings = self.embed(self._read_inputs(state))
        self._temporal_step(embeddings, state, self._reach(state, active), mask)
        user_text = torch.full_like(text, self.config.pad_id) if self.config.user_text else None
        self._advance(text, user_text, agent_codes, state, mask)
        write(state.room, torch.zeros_like(state.room), mask)

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
        hidden = self.hidden(self.embed(tokens.transpose(1, 2)))
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

    def hidden(self, x: Tensor) -> Tensor:
        """What the heads read, of whole sequences of embeddings: [B, T, D] -> [B, T, D]."""
        steps = torch.arange(x.shape[1], device=x.device)
        age = steps[:, None] - steps
        mask = (age >= 0) & (age < self.config.context)
        rotation = self._rotation(steps[None])
        for layer in self.temporal_layers():
            x = layer(x, rotation, mask)
        hidden: Tensor = self.norm(x)
        return hidden

    def _register_stream_tables(self, device: torch.device | str) -> None:
        config = self.config
        fed = [True] * len(config.delays)
        agent = range(config.text_streams, config.text_streams + config.agent.codebooks)
        for stream in agent:
            fed[stream] = config.feed_agent_codes
        offsets = [k * config.agent_rows for k in range(config.agent.codebooks)]
        offsets += [k * config.user_rows for k in range(config.user.codebooks)]
        tables = {
            "initial": config.initial_tokens,
            "delays": config.delays,
            "code_offsets": offsets,
            "always_initial": [not heard for heard in fed],
        }
        for name, values in tables.items():
            self.register_buffer(name, torch.tensor(values, device=device), persistent=False)

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

    def embed(self, tokens: Tensor) -> Tensor:
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

    def _reach(self, state: DecoderState, active: Tensor) -> Reach:
        if active.device.type != "cpu":
            return Reach(self.config.ring_steps, self.config.context - 1)
        if not bool(active.any()):
            return Reach.of(self.config, 1)
        live_steps = int(state.positions[active].max()) + 1
        return Reach.of(self.config, live_steps, int(state.pinned[active].max()))

    def _view(self, state: DecoderState, reach: Reach) -> RingView:
        """The rings as this step sees them."""
        config, positions, pinned = self.config, state.positions, state.pinned
        sink_rotation = is_pinned = None
        if reach.pinned_places:
            # in the cache's own numbering the newest step is the last of the context
            sink_positions = positions.clamp(max=config.context - 1)
            sink_rotation = self._rotation(sink_positions[:, None])
            places = torch.arange(reach.pinned_places, device=positions.device)
            is_pinned = (places < pinned[:, None])[:, None, None, :]
        return RingView(
            ring_places(positions, config.ring_steps, pinned),
            ring_mask(positions, config.ring_steps, config.context, pinned, reach.live_places),
            self._rotation(positions[:, None]),
            sink_rotation,
            is_pinned,
        )

    def _temporal_step(
        self, x: Tensor, state: DecoderState, reach: Reach, mask: Tensor | None
    ) -> Tensor:
        """Put the summed inputs [B, D] of this position through the transformer."""
        view = self._view(state, reach)
        for layer, ring in zip(self.temporal_layers(), state.rings, strict=True):
            x = layer.step(x, ring, view, mask)
        normed: Tensor = self.norm(x)
        return normed

    def _advance(
        self,
        text: Tensor,
        user_text: Tensor | None,
        codes: Tensor,
        state: DecoderState,
        mask: Tensor | None,
    ) -> None:
        """Store what was chosen one position later, and move on."""
        texts = [text] if user_text is None else [text, user_text]
        chosen = torch.cat((torch.stack(texts, dim=1), codes), dim=1)
        after = state.positions + 1
        self._write_tokens(state.tokens[:, : chosen.shape[1]], chosen, after[:, None], mask)
        write(state.room, (state.room + 1).clamp(max=ROLLBACK_STEPS), mask)
        write(state.positions, after, mask)

    def _finish(
        self,
        logits: Tensor,
        text: Tensor,
        user_text: Tensor | None,
        codes: Tensor,
        state: DecoderState,
        mask: Tensor | None,
    ) -> StepOutput:
        """Store the choices, move on, and line up the output frame."""
        config = self.config
        after = state.positions + 1
        self._advance(text, user_text, codes, state, mask)
        frame = codes
        if config.output_delay:
            own = slice(config.text_streams, config.text_streams + codes.shape[1])
            place = after[:, None] - config.output_delay + self.delays[own]
            ring = state.tokens[:, own]
            frame = ring.gather(2, (place % ring.shape[2])[..., None])[..., 0]
        log_p = F.log_softmax(logits, dim=-1)
        p = log_p.exp()
        return StepOutput(
            text=text,
            user_text=user_text,
            agent_codes=frame,
            valid=after > config.output_delay,
            logits=logits,
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
        next_word: Tensor | None = None,
    ) -> None:
        config = self.config
        rows = user_codes.shape[0]
        state.check_batch(rows, active)
        _check_tokens(
            "user_codes", user_codes, (rows, config.user.codebooks), active, config.user_rows
        )
        if forced_text is not None:
            _check_tokens("forced_text", forced_text, (rows,), active, config.text_rows)
        if next_word is not None:
            _check_tokens("next_word", next_word, (rows,), active, config.text_cardinality)
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


def _power_of_two(steps: int) -> int:
    """At least MIN_LIVE_PLACES, below which attention costs nothing worth saving."""
    return max(MIN_LIVE_PLACES, 1 << (steps - 1).bit_length())


class _NoInitialValues(TorchFunctionMode):
    """Skips random initial values: drawing them on the meta device loads PyTorch's compiler."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func.__name__ in ("uniform_", "normal_", "kaiming_uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


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
        is_forced = name.startswith(("forced", "next"))
        used = tokens if is_forced else tokens[active]
        lowest = UNFORCED if is_forced else -1
        if used.numel() and (int(used.min()) < lowest or int(used.max()) >= rows):
            raise CodeError(
                f"{name} run from {lowest} to {rows - 1}, these from {int(used.min())} "
                f"to {int(used.max())}"
            )
