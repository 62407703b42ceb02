"""Codebooks that follow what they quantise: moving averages, and new places for unused centroids.

Source: van den Oord et al. 2017 (VQ-VAE), arXiv 1711.00937, appendix A.1; the replacement of dead
centroids is that of Zeghidour et al. 2021 (SoundStream), arXiv 2107.03312, section III-C.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from voiceagent_codec.quantizer import ResidualQuantizer
from voiceagent_kernels.reference.rvq import half_square_norms

_DECAY = 0.97
# of the uses an even spread would give; below it a centroid is moved to where the latents are
_DEAD_SHARE = 0.1


class CodebookTrainer(nn.Module):
    """Trains the codebooks of a `ResidualQuantizer` in place.

    The averages are buffers, so that they are kept with a checkpoint.

    Attributes:
        is_fixed: the codebooks stay as they are, also while training.
    """

    uses: Tensor
    sums: Tensor
    is_placed: Tensor

    def __init__(self, quantizer: ResidualQuantizer) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.is_fixed = False
        levels, cardinality, _ = quantizer.codebooks.shape
        self.register_buffer("uses", torch.ones(levels, cardinality))
        self.register_buffer("sums", quantizer.codebooks.clone())
        self.register_buffer("is_placed", torch.zeros(levels, dtype=torch.bool))

    def forward(self, latents: Tensor, levels: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Quantise, and learn from it while training.

        Args:
            latents: f32 [..., D].
            levels: codebooks to use; None is all.

        Returns:
            The quantised latents with the gradient of the latents themselves [..., D], the mean
            square of what is left over per level, and codes i64 [..., levels].
        """
        flat = latents.float().flatten(0, -2)
        residual, total = flat, torch.zeros_like(flat)
        commitment = flat.new_zeros(())
        codes = []
        for level in range(levels or len(self.uses)):
            code = self._nearest(residual.detach(), level)
            chosen = self.quantizer.codebooks[level][code]
            commitment = commitment + F.mse_loss(residual, chosen)
            total, residual = total + chosen, residual - chosen
            codes.append(code)
        straight = flat + (total - flat).detach()
        return (
            straight.view(latents.shape),
            commitment,
            torch.stack(codes, -1).view(*latents.shape[:-1], -1),
        )

    @torch.no_grad()
    def _nearest(self, residual: Tensor, level: int) -> Tensor:
        codebook = self.quantizer.codebooks[level]
        is_learning = self.training and not self.is_fixed
        if is_learning and not bool(self.is_placed[level]):
            self._place(residual, level)
        code = (residual @ codebook.t() - half_square_norms(codebook)).argmax(-1)
        # one batch that is not finite would stay in the averages for ever
        if is_learning and bool(residual.isfinite().all()):
            self._follow(residual, code, level)
        return code

    def _place(self, residual: Tensor, level: int) -> None:
        """Begin with latents of the first batch."""
        codebook = self.quantizer.codebooks[level]
        rows = torch.randint(len(residual), (len(codebook),))
        codebook.copy_(residual[rows] + 0.01 * torch.randn_like(codebook))
        self.sums[level].copy_(codebook)
        self.is_placed[level] = True

    def _follow(self, residual: Tensor, code: Tensor, level: int) -> None:
        codebook, uses, sums = self.quantizer.codebooks[level], self.uses[level], self.sums[level]
        counts = torch.bincount(code, minlength=len(codebook)).float()
        added = torch.zeros_like(codebook).index_add_(0, code, residual)
        uses.mul_(_DECAY).add_(counts, alpha=1 - _DECAY)
        sums.mul_(_DECAY).add_(added, alpha=1 - _DECAY)
        codebook.copy_(sums / (uses[:, None] + 1e-5))
        dead = uses < _DEAD_SHARE * len(residual) / len(codebook)
        if bool(dead.any()):
            rows = torch.randint(len(residual), (int(dead.sum()),))
            codebook[dead] = residual[rows]
            sums[dead] = residual[rows] * 0.5
            uses[dead] = 0.5
