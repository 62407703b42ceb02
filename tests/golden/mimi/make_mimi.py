"""Makes the golden files of Mimi with the reference itself, `moshi` 0.2.13 (`make peers`).

    NO_TORCH_COMPILE=1 .venv/bin/python tests/golden/mimi/make_mimi.py

`weights.safetensors` is a tiny Mimi of random weights in the published layout; `case.safetensors`
what streaming moshi makes of three desynchronised streams with it.
`tests/codec/test_mimi_parity.py` compares, and makes fresh cases where moshi is installed.

Random weights need care, or the latents collapse and no error shows: unit-gain convolutions,
LayerScale far above its initial 0.01, latents of zero mean and unit deviation, centroids drawn from
real residuals level by level, and random cluster usage, by which a loader must divide.
"""

import math
from pathlib import Path

import torch
from moshi.models.compression import MimiModel
from moshi.modules import SEANetDecoder, SEANetEncoder
from moshi.modules.transformer import ProjectedTransformer
from moshi.quantization import SplitResidualVectorQuantizer
from safetensors.torch import save_file

SIZES = {
    "cardinality": 32,
    "code_width": 8,
    "sample_rate_hz": 24_000,
    "filters": 4,
    "strides": (2, 3),
    "width": 16,
    "heads": 2,
    "layers": 2,
    "hidden": 32,
    "context": 40,
}
LEVELS_STORED, LEVELS_USED = 6, 4
SLOTS, CALLS = 3, 220
#: Before which call which slots start anew. Slot 0 never does: its window wraps ten times.
RESETS = {30: [1], 101: [2], 102: [1, 2]}


def build(context=SIZES["context"], seed=0):
    """A calibrated tiny Mimi of moshi's, not yet streaming."""
    hop = math.prod(SIZES["strides"])
    seanet = {
        "channels": 1,
        "dimension": SIZES["width"],
        "causal": True,
        "n_filters": SIZES["filters"],
        "n_residual_layers": 1,
        "activation": "ELU",
        "compress": 2,
        "kernel_size": 7,
        "residual_kernel_size": 3,
        "last_kernel_size": 3,
        "norm": "none",
        "pad_mode": "constant",
        "ratios": list(reversed(SIZES["strides"])),
        "true_skip": True,
    }
    transformer = {
        "d_model": SIZES["width"],
        "num_heads": SIZES["heads"],
        "num_layers": SIZES["layers"],
        "causal": True,
        "layer_scale": 0.01,
        "context": context,
        "conv_layout": True,
        "max_period": 10_000,
        "gating": "none",
        "norm": "layer_norm",
        "positional_embedding": "rope",
        "dim_feedforward": SIZES["hidden"],
        "input_dimension": SIZES["width"],
        "output_dimensions": [SIZES["width"]],
    }
    model = MimiModel(
        SEANetEncoder(**seanet),
        SEANetDecoder(**seanet),
        SplitResidualVectorQuantizer(
            dimension=SIZES["code_width"],
            n_q=LEVELS_STORED,
            bins=SIZES["cardinality"],
            input_dimension=SIZES["width"],
            output_dimension=SIZES["width"],
        ),
        channels=1,
        sample_rate=SIZES["sample_rate_hz"],
        frame_rate=SIZES["sample_rate_hz"] / (2 * hop),
        encoder_frame_rate=SIZES["sample_rate_hz"] / hop,
        causal=True,
        resample_method="conv",
        encoder_transformer=ProjectedTransformer(**transformer),
        decoder_transformer=ProjectedTransformer(**transformer),
    ).eval()
    with torch.no_grad():
        calibrate(model, torch.Generator().manual_seed(seed))
    model.set_num_codebooks(LEVELS_USED)
    return model


def calibrate(model, generator):
    """Random weights under which every input and every weight matters."""

    def noise(shape):
        return torch.randn(shape, generator=generator)

    for name, parameter in model.named_parameters():
        if "layer_scale" in name:
            parameter.copy_(0.05 + 0.25 * torch.rand(parameter.shape, generator=generator))
        elif parameter.dim() == 1:
            offset = 1 if "norm" in name and name.endswith("weight") else 0
            parameter.copy_(offset + 0.1 * noise(parameter.shape))
        else:
            is_transposed = "convtr" in name
            fan_in = 2 * parameter.shape[0] if is_transposed else parameter[0].numel()
            fan_in = 2 if "upsample" in name else fan_in
            parameter.copy_(noise(parameter.shape) * 1.3 / fan_in**0.5)
    pcm = signal(8, 400, generator)
    last = model.encoder.model[-1].conv.conv
    rows = model.encoder(pcm)
    mean, deviation = rows.mean((0, 2)), rows.std((0, 2))
    last.weight.div_(deviation[:, None, None])
    last.bias.sub_(mean).div_(deviation)
    latents = model._encode_to_unquantized_latent(pcm)
    for branch in (model.quantizer.rvq_first, model.quantizer.rvq_rest):
        residual = branch.input_proj(latents).transpose(1, 2).flatten(0, 1)
        for layer in branch.vq.layers:
            fill(layer._codebook, residual, generator)
            residual = residual - layer._codebook.decode(layer._codebook.encode(residual))
    last = model.decoder.model[-1].conv.conv
    gain = 0.3 / model.decode(model.quantizer.encode(latents)).std()
    last.weight.mul_(gain)
    last.bias.mul_(gain)


def fill(codebook, residual, generator):
    """Centroids from what is to be quantised, shrunk a little, as sums over random usage."""
    chosen = torch.randperm(len(residual), generator=generator)[: codebook.codebook_size]
    codebook.cluster_usage.uniform_(0.5, 4, generator=generator)
    codebook.embedding_sum.copy_(0.8 * residual[chosen] * codebook.cluster_usage[:, None])
    codebook._initialized.fill_(1)


def signal(rows, frames, generator):
    """Harmonics of gliding pitch, gated, with noise: f32 [rows, 1, frames * frame_samples]."""
    time = torch.arange(frames * 2 * math.prod(SIZES["strides"]))
    pcm = 0.01 * torch.randn(rows, 1, len(time), generator=generator)
    for row in range(rows):
        rates = torch.rand(3, generator=generator)
        period = 35 + 25 * torch.sin(time * (0.002 + 0.004 * rates[0])) + 10 * rates[1]
        phase = torch.cumsum(2 * torch.pi / period, 0)
        envelope = torch.sin(time * (0.003 + 0.004 * rates[2])).clamp(min=0)
        for harmonic in range(1, 6):
            pcm[row, 0] += 0.3 * envelope * torch.sin(harmonic * phase) / harmonic
    return pcm


def margins(model, latents):
    """How much nearer the nearest centroid is than the second, relative: [B, 1, K]."""
    found = []
    quantizer = model.quantizer
    for branch in (quantizer.rvq_first, quantizer.rvq_rest):
        residual = branch.input_proj(latents).transpose(1, 2)
        for layer in branch.vq.layers[: branch.n_q]:
            centroids = layer._codebook.embedding
            near = torch.cdist(residual.double(), centroids.double()).topk(2, largest=False).values
            found.append((1 - near[..., 0] / near[..., 1]).float())
            residual = residual - layer._codebook.decode(layer._codebook.encode(residual))
    return torch.stack(found, dim=-1)


@torch.no_grad()
def run(model, seed=1):
    """Three streams through streaming moshi: who is active is drawn for each direction."""
    generator = torch.Generator().manual_seed(seed)
    frame = model.frame_size
    pcm = signal(SLOTS, CALLS, generator).view(SLOTS, CALLS, frame)
    masks = torch.rand(2, CALLS, SLOTS, generator=generator) < 0.9
    codes, gaps, spoken = [], [], []
    with model.streaming(SLOTS):
        for call in range(CALLS):
            if call in RESETS:
                reset = torch.zeros(SLOTS, dtype=torch.bool)
                reset[RESETS[call]] = True
                model.reset_streaming(reset)
            model.set_exec_mask(masks[0, call])
            latents = model._encode_to_unquantized_latent(pcm[:, None, call])
            codes.append(model.quantizer.encode(latents)[:, :, 0])
            gaps.append(margins(model, latents)[:, 0])
            model.set_exec_mask(masks[1, call])
            spoken.append(model.decode(codes[-1][:, :, None])[:, 0])
    return {
        "pcm": pcm,
        "hears": masks[0].t().contiguous(),
        "speaks": masks[1].t().contiguous(),
        "codes": torch.stack(codes, 1).to(torch.int16),
        "margins": torch.stack(gaps, 1),
        "spoken": torch.stack(spoken, 1),
    }


def published(model):
    """The model's tensors under the names of the published file."""
    tensors = {}
    for name, value in model.state_dict().items():
        for part in ("in", "out"):
            joined = "in_proj_weight" if part == "in" else "out_proj.weight"
            name = name.replace(f"{part}_projs.0.weight", joined)
        tensors[name] = value.contiguous()
    return tensors


if __name__ == "__main__":
    folder = Path(__file__).parent
    reference = build()
    save_file(published(reference), folder / "weights.safetensors")
    save_file(run(reference), folder / "case.safetensors")
