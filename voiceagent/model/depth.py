"""The depth transformer: within one step, one agent codebook after another.

Row k sees the temporal transformer's output and the token before it: the text token for the first
codebook, then the previous code. Its keys start empty at every step, so it has no streaming state.
Source: Defossez et al. 2024 (Moshi), arXiv 2410.00037, section 3.4.1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voiceagent.model.config import DecoderConfig
from voiceagent.model.layers import Norm, TransformerLayer
from voiceagent.model.sampling import UNFORCED, Sampler


class DepthTransformer(nn.Module):
    """See the module's docstring."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        sizes = config.depth.transformer
        codebooks, cardinality = config.agent.codebooks, config.agent.cardinality
        self.codebooks = codebooks
        width, width_in = sizes.width, config.temporal.width
        steps = codebooks if config.depth.weights_per_step else 1
        bound = width_in**-0.5
        self.input_weight = nn.Parameter(
            torch.empty(codebooks, width, width_in).uniform_(-bound, bound)
        )
        self.input_bias = (
            nn.Parameter(torch.zeros(codebooks, width)) if config.depth.input_bias else None
        )
        self.text_embedding = nn.Parameter(torch.empty(config.text_rows, width).normal_(std=0.05))
        self.code_embedding = nn.Parameter(
            torch.empty(codebooks - 1, config.agent_rows, width).normal_(std=0.05)
        )
        self.layers = nn.ModuleList(TransformerLayer(sizes, steps) for _ in range(sizes.layers))
        self.norm = Norm(sizes) if config.depth.output_norm else nn.Identity()
        heads = torch.empty(codebooks, cardinality, width)
        self.heads = nn.Parameter(heads.normal_(std=width**-0.5))

    def generate(
        self, hidden: Tensor, text: Tensor, forced: Tensor | None, sampler: Sampler
    ) -> Tensor:
        """Sample one step's codes.

        Args:
            hidden: [B, D_temporal], the temporal transformer's output.
            text: i64 [B], this step's text token.
            forced: i64 [B, K], UNFORCED where the model may choose; or None.
            sampler: how to choose.

        Returns:
            i64 [B, K].
        """
        inputs = self._inputs(hidden)
        layers = self.typed_layers()
        rings = [
            layer.init_ring(len(hidden), self.codebooks, hidden.device, hidden.dtype)
            for layer in layers
        ]
        previous = F.embedding(text, self.text_embedding)
        codes = []
        for k in range(self.codebooks):
            x = inputs[:, k] + previous
            for layer, ring in zip(layers, rings, strict=True):
                x = layer.depth_step(x, ring, k)
            code = sampler.code(F.linear(self.norm(x), self.heads[k]), k)
            if forced is not None:
                code = torch.where(forced[:, k] != UNFORCED, forced[:, k], code)
            codes.append(code)
            if k + 1 < self.codebooks:
                previous = F.embedding(code, self.code_embedding[k])
        return torch.stack(codes, dim=1)

    def forward(self, hidden: Tensor, text: Tensor, codes: Tensor) -> Tensor:
        """Teacher-forced logits: [N, D_temporal], i64 [N], i64 [N, K] -> f32 [N, K, V]."""
        levels = torch.arange(self.codebooks - 1, device=codes.device)
        previous = torch.cat(
            (
                F.embedding(text, self.text_embedding)[:, None],
                self.code_embedding[levels, codes[:, :-1]],
            ),
            dim=1,
        )
        x = self._inputs(hidden) + previous
        mask = torch.ones(self.codebooks, self.codebooks, device=x.device).tril().bool()
        for layer in self.typed_layers():
            x = layer(x, None, mask)
        return torch.einsum("nkd,kvd->nkv", self.norm(x), self.heads)

    def typed_layers(self) -> list[TransformerLayer]:
        """The transformer over codebooks."""
        return list(self.layers)  # type: ignore[arg-type]  # ModuleList forgets what it holds

    def _inputs(self, hidden: Tensor) -> Tensor:
        """[B, D_temporal] -> [B, K, D]: one projection per codebook, as one product."""
        flat = F.linear(
            hidden,
            self.input_weight.flatten(0, 1),
            None if self.input_bias is None else self.input_bias.flatten(),
        )
        return flat.view(len(hidden), self.codebooks, -1)
