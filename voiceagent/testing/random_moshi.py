"""Moshi-family folders of random weights, at any size, in the layout of the published ones.

For tests and benchmarks that must run where no published weights are. Weights are large enough
that every input matters; what such a model says means nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from safetensors.torch import save_file
from torch import Tensor
from voiceagent_codec.mimi import MimiCodec
from voiceagent_codec.mimi_config import MimiConfig
from voiceagent_codec.mimi_weights import published_places as codec_places

from voiceagent.model.config import DecoderConfig
from voiceagent.model.decoder import Decoder
from voiceagent.model.mimi_sizes import mimi_sizes
from voiceagent.model.moshi_config import moshi_config
from voiceagent.model.moshi_weights import published_places

#: A whole Moshi at toy size: 4 codebooks a side, Mimi at its published rate of 12.5 Hz.
TINY_MIMI: dict[str, Any] = {
    "sample_rate": 24_000,
    "seanet": {"n_filters": 4, "dimension": 16, "ratios": [8, 6, 5, 4]},
    "quantizer": {"bins": 31, "dimension": 8},
    "transformer": {"num_heads": 2, "num_layers": 2, "dim_feedforward": 32, "context": 40},
}
TINY_MOSHI: dict[str, Any] = {
    "card": 31,
    "n_q": 8,
    "dep_q": 4,
    "delays": [0, 0, 1, 1, 1, 0, 1, 1, 1],
    "text_card": 80,
    "existing_text_padding_id": 3,
    "dim": 64,
    "num_heads": 4,
    "num_layers": 3,
    "hidden_scale": 4.125,
    "causal": True,
    "layer_scale": None,
    "context": 40,
    "max_period": 10_000,
    "gating": "silu",
    "norm": "rms_norm_f32",
    "positional_embedding": "rope",
    "depformer_dim": 32,
    "depformer_dim_feedforward": 96,
    "depformer_num_heads": 2,
    "depformer_num_layers": 2,
    "depformer_multi_linear": True,
    "depformer_weights_per_step": True,
    "depformer_pos_emb": "none",
    "depformer_gating": "silu",
}
#: The same with a depth transformer that goes on to the user's codes.
TINY_PERSONAPLEX: dict[str, Any] = {**TINY_MOSHI, "dep_q": 8, "model_type": "personaplex"}


def write_random_moshi(
    folder: Path,
    config: Mapping[str, Any] = TINY_MOSHI,
    *,
    mimi: Mapping[str, Any] | None = TINY_MIMI,
    dtype: torch.dtype = torch.float32,
    split: bool = False,
    seed: int = 1,
) -> None:
    """Write decoder, codec, tokenizer and configs.

    Args:
        folder: made if it is missing.
        config: of `config.json`, without the names of files.
        mimi: sizes of the codec, in the repository's own format; None for the published ones.
        dtype: of the decoder's weights.
        split: attention matrices one per codebook, as moshi >= 0.2 saves them.
        seed: of everything drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    values = dict(config)
    if mimi is not None:
        values["mimi_config_name"] = "mimi.json"
        (folder / "mimi.json").write_text(json.dumps(mimi), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(values, indent=1), encoding="utf-8")
    sizes = moshi_config(values, "config.json")
    tensors = random_decoder_tensors(values, generator, dtype=dtype, split=split)
    save_file(tensors, folder / sizes.weights)
    codebooks = sizes.decoder.agent.codebooks
    codec = MimiConfig(codebooks=codebooks) if mimi is None else mimi_sizes(mimi, codebooks, "mimi")
    save_file(random_codec_tensors(codec, generator), folder / sizes.codec)
    write_tokenizer(folder / sizes.tokenizer, sizes.decoder.text_cardinality)


@torch.no_grad()
def random_decoder(config: DecoderConfig, seed: int = 1) -> Decoder:
    """A decoder with the same kind of weights, float32 on the CPU."""
    decoder = Decoder.allocate(config, "cpu", torch.float32)
    generator = torch.Generator().manual_seed(seed)
    for name, place in published_places(decoder, split=False).items():
        place.copy_(_random(name, place.shape, generator))
    return decoder


def published_shapes(config: Mapping[str, Any], *, split: bool = False) -> dict[str, torch.Size]:
    """Every tensor of a checkpoint, those of codebooks that are predicted in vain included.

    Args:
        config: of `config.json`.
        split: see `write_random_moshi`.
    """
    predicted = dict(config)
    if config["dep_q"] == config["n_q"]:  # as if the user's codebooks were the agent's too
        delays = config["delays"]
        predicted |= {"n_q": 2 * config["n_q"], "delays": [*delays, *delays[1:]]}
    decoder = Decoder.outline(moshi_config(predicted, "config").decoder)
    return {
        name: place.shape
        for name, place in published_places(decoder, split=split).items()
        if not (name.startswith("emb.") and int(name.split(".")[1]) >= config["n_q"])
    }


def random_decoder_tensors(
    config: Mapping[str, Any],
    generator: torch.Generator,
    *,
    dtype: torch.dtype = torch.float32,
    split: bool = False,
) -> dict[str, Tensor]:
    """A checkpoint of random weights; the arguments are those of `write_random_moshi`."""
    shapes = published_shapes(config, split=split)
    return {name: _random(name, shape, generator).to(dtype) for name, shape in shapes.items()}


@torch.no_grad()
def random_codec_tensors(config: MimiConfig, generator: torch.Generator) -> dict[str, Tensor]:
    """Published names and shapes of a Mimi."""
    tensors = {}
    for name, place in codec_places(MimiCodec(config)).items():
        noise = torch.randn(place.shape, generator=generator)
        if name.endswith("_initialized"):
            value = torch.ones(1)
        elif name.endswith("cluster_usage"):
            value = torch.rand(place.shape, generator=generator) * 3 + 0.5
        elif name.endswith(("layer_scale_1.scale", "layer_scale_2.scale")):
            value = 0.05 + 0.2 * noise.abs()
        elif ".norm" in name:
            value = name.endswith("weight") + 0.1 * noise
        elif name.endswith("bias"):
            value = 0.02 * noise
        else:
            value = noise * 1.3 * max(1, place[0].numel()) ** -0.5
        tensors[name] = value
    return tensors


def write_tokenizer(path: Path, size: int) -> None:
    """Train a SentencePiece model with Moshi's special ids on words of no meaning."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(list(_sentences(size))),
        model_prefix=str(path.with_suffix("")),
        vocab_size=size,
        hard_vocab_limit=True,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=3,
        minloglevel=2,
    )
    path.with_suffix(".vocab").unlink()


def _sentences(size: int) -> Iterator[str]:
    generator = torch.Generator().manual_seed(5)
    for _ in range(10 * size):
        letters = torch.randint(26, (4, 6), generator=generator).tolist()
        yield " ".join(_word(row) for row in letters)


def _word(letters: Iterable[int]) -> str:
    return "".join(chr(ord("a") + letter) for letter in letters)


def _random(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    # uniform from integers, of unit variance: the same bits on every machine, unlike randn
    draws = torch.randint(2**16, shape, generator=generator)
    noise = (draws - 2**15).float() * (3**0.5 / 2**15)
    if "alpha" in name:
        return 1 + 0.2 * noise
    return noise * (0.3 if "emb" in name else 1.2 / shape[-1] ** 0.5)
