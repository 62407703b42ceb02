"""Residual vector quantisation: nearest centroid level by level.

``code_k = argmin_c |r_k - e_kc|^2``, ``r_{k+1} = r_k - e_k,code_k``; the first minimum wins. The
search is ``argmax(r . e - |e|^2 / 2)``, which ranks the same and needs one matrix product.
Source: Zeghidour et al. 2021 (SoundStream), arXiv 2107.03312, algorithm 1.
"""

import torch
from torch import Tensor


def half_square_norms(codebooks: Tensor) -> Tensor:
    """``|e|^2 / 2`` of every centroid: f32 [K, V] of codebooks f32 [K, V, D]."""
    return codebooks.square().sum(-1) * 0.5


def rvq_encode(latents: Tensor, codebooks: Tensor, half_norms: Tensor) -> Tensor:
    """Quantise vectors.

    Args:
        latents: f32 [..., D].
        codebooks: f32 [K, V, D].
        half_norms: f32 [K, V], of `half_square_norms`.

    Returns:
        i64 [..., K].
    """
    residual = latents
    codes = []
    for codebook, half_norm in zip(codebooks, half_norms, strict=True):
        code = (residual @ codebook.t() - half_norm).argmax(-1)
        residual = residual - codebook[code]
        codes.append(code)
    return torch.stack(codes, dim=-1)


def rvq_decode(codes: Tensor, codebooks: Tensor) -> Tensor:
    """Sum of the chosen centroids: f32 [..., D] of codes i64 [..., K], K <= levels given."""
    levels = torch.arange(codes.shape[-1], device=codes.device)
    return codebooks[levels, codes].sum(-2)
