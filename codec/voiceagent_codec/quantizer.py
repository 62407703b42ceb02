"""Vector quantisers: plain residual, and Mimi's split of meaning and sound.

Inference only; the search itself is `voiceagent_kernels.reference.rvq`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from voiceagent_kernels.reference.rvq import half_square_norms, rvq_decode, rvq_encode


class ResidualQuantizer(nn.Module):
    """K codebooks [K, V, D], each quantising what the ones before left over."""

    codebooks: Tensor
    half_norms: Tensor | None

    def __init__(self, codebooks: int, cardinality: int, width: int) -> None:
        super().__init__()
        centroids = torch.empty(codebooks, cardinality, width).uniform_(-0.5, 0.5)
        self.register_buffer("codebooks", centroids)
        self.register_buffer("half_norms", None, persistent=False)

    def freeze(self) -> None:
        """Keep what the search needs of the codebooks, which must not change any more."""
        self.half_norms = half_square_norms(self.codebooks)

    def encode(self, latents: Tensor) -> Tensor:
        """[..., D] -> i64 [..., K]; the search is in the codebooks' dtype."""
        wide, norms = latents.to(self.codebooks.dtype), self.half_norms
        if norms is None:
            norms = half_square_norms(self.codebooks)
        return rvq_encode(wide, self.codebooks, norms)

    def decode(self, codes: Tensor) -> Tensor:
        """i64 [..., K] -> f32 [..., D]."""
        return rvq_decode(codes, self.codebooks)


class SplitQuantizer(nn.Module):
    """One codebook for meaning and K - 1 residual ones for sound, from the same latent.

    Both branches read the latent itself (the second does not see the first one's remainder) and
    their outputs are summed. Source: Defossez et al. 2024 (Moshi), arXiv 2410.00037, section 3.3.
    """

    def __init__(
        self, codebooks: int, cardinality: int, width: int, latent: int, *, bias: bool = True
    ) -> None:
        super().__init__()
        self.semantic_in = nn.Linear(latent, width, bias=bias)
        self.semantic_out = nn.Linear(width, latent, bias=bias)
        self.acoustic_in = nn.Linear(latent, width, bias=bias)
        self.acoustic_out = nn.Linear(width, latent, bias=bias)
        self.semantic = ResidualQuantizer(1, cardinality, width)
        self.acoustic = ResidualQuantizer(codebooks - 1, cardinality, width)

    def encode(self, latents: Tensor) -> Tensor:
        """[B, T, latent] -> i64 [B, T, K]."""
        return torch.cat(
            (
                self.semantic.encode(self.semantic_in(latents)),
                self.acoustic.encode(self.acoustic_in(latents)),
            ),
            dim=-1,
        )

    def decode(self, codes: Tensor) -> Tensor:
        """i64 [B, T, K] -> [B, T, latent]."""
        dtype = self.semantic_out.weight.dtype
        semantic = self.semantic_out(self.semantic.decode(codes[..., :1]).to(dtype))
        return semantic + self.acoustic_out(self.acoustic.decode(codes[..., 1:]).to(dtype))
