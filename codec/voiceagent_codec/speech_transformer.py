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
_PAST_ROWS = PAST_CHUNKS * CHUNK_ROWS
# rows that are computed at once where a recording is heard as a whole
_BLOCK_CHUNKS = 24
_LONGEST_PERIOD = 10_000


@dataclasses.dataclass
class PastState(SlotState):
    """What one layer looks back at: [B, 2 * H, 48, head_width], its keys and then its values."""

    keys_values: Tensor


@dataclasses.dataclass
class SpeechTransformerState(SlotState):
    """Sound and rows that the next chunk reaches back to, and where each slot stands."""

    mel: MelState
    convolutions: list[ConvState]
    phase: Tensor  # i64 [B], the chunk's place on the ring
    heard: Tensor  # i64 [B], chunks in the past of every layer
    layers: list[PastState]


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

    def forward(self, x: Tensor, past: PastState, hidden: Tensor, active: Tensor | None) -> Tensor:
        """The next rows of every slot.

        Args:
            x: [B, N, D].
            past: this layer's.
            hidden: bool [B, 1, N, 48 + N], the rows that each one must not look at.
            active: bool [B] or None.

        Returns:
            [B, N, D].
        """
        rows, count, width = x.shape
        joint = self.attention_in(self.norm1(x)).view(rows, count, 3 * self.heads, -1)
        query, new = joint.transpose(1, 2).split((self.heads, 2 * self.heads), 1)
        keys_values = torch.cat((past.keys_values, new.to(past.keys_values.dtype)), 2)
        write(past.keys_values, keys_values[:, :, -_PAST_ROWS:], active)
        keys, values = keys_values.chunk(2, 1)
        # plain products: on CPUs the fused operator makes a training step longer
        scores = query * query.shape[-1] ** -0.5 @ keys.mT
        shares = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        mixed = (shares @ values).transpose(1, 2).reshape(rows, count, width)
        x = x + self.attention_out(mixed)
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
        shape = (num_slots, 2 * self.heads, _PAST_ROWS, width // self.heads)
        counts = torch.zeros(2, num_slots, dtype=torch.int64, device=device)
        return SpeechTransformerState(
            self.mel.init_state(num_slots, device),
            [conv.init_state(num_slots, device) for conv in (self.conv1, self.conv2)],
            counts[0],
            counts[1],
            [PastState(torch.zeros(shape, device=device)) for _ in self.layers],
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

    def _block(self, x: Tensor, state: SpeechTransformerState, active: Tensor | None) -> Tensor:
        chunks = x.shape[1] // CHUNK_ROWS
        at = (state.phase[:, None] + torch.arange(chunks, device=x.device)) % RING_CHUNKS
        x = x + self.places[at].flatten(1, 2)
        hidden = _hidden(state.heard, chunks)
        for layer, past in zip(self.layers, state.layers, strict=True):
            x = layer(x, past, hidden, active)
        write(state.phase, (state.phase + chunks) % RING_CHUNKS, active)
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


def _hidden(heard: Tensor, chunks: int) -> Tensor:
    """Which rows each new one must not look at: bool [B, 1, N, 48 + N]."""
    new = torch.arange(chunks, device=heard.device).repeat_interleave(CHUNK_ROWS)
    seen = torch.arange(-PAST_CHUNKS, chunks, device=heard.device).repeat_interleave(CHUNK_ROWS)
    back = new[:, None] - seen
    is_out = (back < 0) | (back > PAST_CHUNKS)
    is_before_all = seen < -heard[:, None]
    return (is_out | is_before_all[:, None])[:, None]
