"""A transformer that hears speech as it comes: Whisper's encoder, made causal in chunks of 80 ms.

Log-mel at 100 Hz -> two causal convolutions -> rows at 50 Hz -> attention over the chunk of four
rows itself and the twelve chunks before it. Chunks are all that is counted: a slot knows where it
stands on a ring of 30 s, whose sines and cosines all close, so that a call has no age.

Source: Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022, arXiv
2212.04356, section 2.2. Different here: the convolutions look back only, attention is causal, and
the frequencies of the positions are rounded to whole turns of the ring.
"""

from __future__ import annotations

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceagent_codec.conv import CausalConv, ConvState
from voiceagent_codec.mel import MelState, WhisperMel
from voiceagent_codec.streaming import SlotState, write

CHUNK_ROWS = 4
PAST_CHUNKS = 12
RING_CHUNKS = 375
# chunks whose keys are kept: those of the past, and one that is being heard
_KEPT_CHUNKS = PAST_CHUNKS + 1
# rows that are computed at once where a recording is heard as a whole
_BLOCK_CHUNKS = 24
_LONGEST_PERIOD = 10_000


@dataclasses.dataclass
class KeyValueState(SlotState):
    """The newest rows of one layer, chunk after chunk round a ring: [B, H, 52, head_width] each."""

    keys: Tensor
    values: Tensor


@dataclasses.dataclass
class SpeechTransformerState(SlotState):
    """Sound and rows that the next chunk reaches back to, and where each slot stands."""

    mel: MelState
    convolutions: list[ConvState]
    phase: Tensor  # i64 [B], the chunk's place on the ring of positions
    cursor: Tensor  # i64 [B], and where the ring of every layer takes it
    heard: Tensor  # i64 [B], chunks in the past of every layer
    layers: list[KeyValueState]


@dataclasses.dataclass(frozen=True, slots=True)
class _AttentionPlan:
    """What new rows see and where they are kept, the same in every layer."""

    kept: Tensor  # i64 [B, K], places of the newest K <= 52 of them
    past: Tensor | None  # i64 [B, 48], places of the rows before, in order; None: as they lie
    visible: Tensor  # bool [B, 1, N or 1, L], of the rows that are looked at


class SpeechLayer(nn.Module):
    """Pre-norm attention and feed-forward, both residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.attention_in = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.hidden_in = nn.Linear(width, 4 * width)
        self.hidden_out = nn.Linear(4 * width, width)

    def forward(
        self, x: Tensor, past: KeyValueState, plan: _AttentionPlan, active: Tensor | None
    ) -> Tensor:
        """The next rows of every slot.

        Args:
            x: [B, N, D].
            past: this layer's.
            plan: what the rows see.
            active: bool [B] or None.

        Returns:
            [B, N, D].
        """
        rows, count, width = x.shape
        joint = self.attention_in(self.norm1(x)).view(rows, count, 3 * self.heads, -1)
        query, key, value = joint.transpose(1, 2).chunk(3, 1)
        keys = _updated(past.keys, key, plan, active)
        values = _updated(past.values, value, plan, active)
        if plan.past is None:
            mixed = F.scaled_dot_product_attention(query, keys, values, plan.visible)
        else:  # on CPUs the fused operator makes a training step longer
            scores = query * query.shape[-1] ** -0.5 @ keys.mT
            mixed = scores.masked_fill(~plan.visible, -torch.inf).softmax(-1) @ values
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(rows, count, width))
        return x + self.hidden_out(F.gelu(self.hidden_in(self.norm2(x))))


class SpeechTransformer(nn.Module):
    """Sound -> one latent per 80 ms frame; see the module's docstring."""

    places: Tensor

    def __init__(self, bands: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.mel = WhisperMel(bands)
        self.width = CHUNK_ROWS * width
        self.heads = heads
        self.conv1 = CausalConv(bands, width, 3)
        self.conv2 = CausalConv(width, width, 3, stride=2)
        self.layers = nn.ModuleList(SpeechLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.register_buffer("places", ring_of_places(width), persistent=False)

    def init_state(self, num_slots: int, device: torch.device | str) -> SpeechTransformerState:
        """State of fresh slots: silence, and nothing to look back at."""
        width = self.width // CHUNK_ROWS
        shape = (num_slots, self.heads, _KEPT_CHUNKS * CHUNK_ROWS, width // self.heads)
        phase, cursor, heard = torch.zeros(3, num_slots, dtype=torch.int64, device=device)

        def ring() -> Tensor:
            return torch.zeros(shape, device=device)

        return SpeechTransformerState(
            self.mel.init_state(num_slots, device),
            [conv.init_state(num_slots, device) for conv in (self.conv1, self.conv2)],
            phase,
            cursor,
            heard,
            [KeyValueState(ring(), ring()) for _ in self.layers],
        )

    def forward(self, pcm: Tensor, state: SpeechTransformerState, active: Tensor | None) -> Tensor:
        """f32 [B, T * FRAME_SAMPLES] -> [B, T, width]."""
        return self.read(self.mel(pcm, state.mel, active), state, active)

    def read(self, mel: Tensor, state: SpeechTransformerState, active: Tensor | None) -> Tensor:
        """Log-mel [B, 8 * T, bands] -> [B, T, width]."""
        first, second = state.convolutions
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel, first, active)), second, active))
        blocks = torch.split(x, _BLOCK_CHUNKS * CHUNK_ROWS, 1)
        x = torch.cat([self._block(block, state, active) for block in blocks], 1)
        return self.norm(x).unflatten(1, (-1, CHUNK_ROWS)).flatten(2)

    def read_whole(self, mel: Tensor) -> Tensor:
        """As `read`, but every row sees the whole clip, as in Whisper: to teach by, not to stream.

        Args:
            mel: log-mel [B, 8 * T, bands], T at most 375.

        Returns:
            [B, T, width].
        """
        device, slots = mel.device, len(mel)
        first, second = (conv.init_state(slots, device) for conv in (self.conv1, self.conv2))
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel, first, None)), second, None))
        count, width = x.shape[1:]
        x = x + self.places[: count // CHUNK_ROWS].flatten(0, 1)
        kept = torch.arange(count, device=device).expand(slots, -1)
        visible = torch.ones(1, 1, 1, count, dtype=torch.bool, device=device)
        plan = _AttentionPlan(kept, None, visible)
        for layer in self.layers:
            rows = torch.zeros(2, slots, self.heads, count, width // self.heads, device=device)
            x = layer(x, KeyValueState(*rows), plan, None)
        return self.norm(x).unflatten(1, (-1, CHUNK_ROWS)).flatten(2)

    def _block(self, x: Tensor, state: SpeechTransformerState, active: Tensor | None) -> Tensor:
        chunks = x.shape[1] // CHUNK_ROWS
        at = (state.phase[:, None] + torch.arange(chunks, device=x.device)) % RING_CHUNKS
        x = x + self.places[at].flatten(1, 2)
        plan = _plan_attention(state, chunks)
        for layer, past in zip(self.layers, state.layers, strict=True):
            x = layer(x, past, plan, active)
        write(state.phase, (state.phase + chunks) % RING_CHUNKS, active)
        write(state.cursor, (state.cursor + chunks) % _KEPT_CHUNKS, active)
        write(state.heard, (state.heard + chunks).clamp(max=PAST_CHUNKS), active)
        return x


def ring_of_places(width: int) -> Tensor:
    """Whisper's sinusoids, each rounded to whole turns of the ring: f32 [375, 4, width]."""
    rows = torch.arange(RING_CHUNKS * CHUNK_ROWS)[:, None]
    half = width // 2
    step = math.log(_LONGEST_PERIOD) / max(half - 1, 1)
    turns = torch.round(torch.exp(-step * torch.arange(half)) * len(rows) / (2 * math.pi))
    angles = 2 * math.pi * (rows * turns % len(rows)) / len(rows)
    return torch.cat((angles.sin(), angles.cos()), 1).view(RING_CHUNKS, CHUNK_ROWS, width)


def _plan_attention(state: SpeechTransformerState, chunks: int) -> _AttentionPlan:
    """What the next chunks see; all rows of one chunk see the same, so that the ring can stay."""
    device = state.cursor.device
    new = torch.arange(chunks, device=device)
    cursor, heard = state.cursor[:, None], state.heard[:, None]
    kept = _rows((cursor + new[-_KEPT_CHUNKS:]) % _KEPT_CHUNKS)
    if chunks == 1:
        ages = (cursor - torch.arange(_KEPT_CHUNKS, device=device)) % _KEPT_CHUNKS
        visible = (ages <= heard).repeat_interleave(CHUNK_ROWS, 1)
        return _AttentionPlan(kept, None, visible[:, None, None])
    before = torch.arange(-PAST_CHUNKS, 0, device=device)
    seen = torch.cat((before, new)).repeat_interleave(CHUNK_ROWS)
    back = new.repeat_interleave(CHUNK_ROWS)[:, None] - seen
    is_near = (back >= 0) & (back <= PAST_CHUNKS)
    visible = is_near & (seen >= -heard)[:, None]
    return _AttentionPlan(kept, _rows((cursor + before) % _KEPT_CHUNKS), visible[:, None])


def _rows(chunks: Tensor) -> Tensor:
    """Places of the rows of chunks: i64 [B, C] -> [B, 4 * C]."""
    within = torch.arange(CHUNK_ROWS, device=chunks.device)
    return (chunks[..., None] * CHUNK_ROWS + within).flatten(1)


def _updated(ring: Tensor, new: Tensor, plan: _AttentionPlan, active: Tensor | None) -> Tensor:
    """Keep the newest of some rows [B, H, N, D] in a ring; returns what they look at."""

    def index(places: Tensor) -> Tensor:
        return places[:, None, :, None].expand(-1, ring.shape[1], -1, ring.shape[3])

    new = new.to(ring.dtype)
    # gradients go through what was read, which the next rows write over
    copied = torch.is_grad_enabled()
    before = None
    if plan.past is not None:
        before = (ring.clone() if copied else ring).gather(2, index(plan.past))
    kept, at = new[:, :, -plan.kept.shape[1] :], index(plan.kept)
    if active is not None:
        kept = torch.where(active[:, None, None, None], kept, ring.gather(2, at))
    ring.scatter_(2, at, kept)
    if before is not None:
        return torch.cat((before, new), 2)
    return ring.clone() if copied else ring
