import math

import pytest
import torch
from safetensors.torch import load_file, save_file
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.mimi import MimiCodec, load_mimi_codec
from voiceagent_codec.mimi_config import MimiConfig
from voiceagent_codec.mimi_weights import published_places

ATTENTION = "encoder_transformer.transformer.layers.0.self_attn"
LEVEL = "quantizer.rvq_rest.vq.layers.{}._codebook"


@pytest.fixture
def tensors(mimi_golden):
    return load_file(mimi_golden / "weights.safetensors")


@pytest.fixture
def load(tmp_path, tiny_config):
    """Load a codec from these tensors."""

    def load(tensors, **options):
        path = tmp_path / "mimi.safetensors"
        save_file({name: value.contiguous() for name, value in tensors.items()}, path)
        return load_mimi_codec(path, tiny_config, **options)

    return load


def published_shapes():
    """The table of the published file, written out again from its description."""
    shapes = {}

    def conv(name, *shape):
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = (shape[1 if "convtr" in name else 0],)

    conv("encoder.model.0.conv.conv", 64, 1, 7)
    conv("encoder.model.14.conv.conv", 512, 1024, 3)
    conv("decoder.model.0.conv.conv", 1024, 512, 7)
    conv("decoder.model.14.conv.conv", 1, 64, 3)
    for number, (channels, stride) in enumerate(
        zip((64, 128, 256, 512), (4, 5, 6, 8), strict=True)
    ):
        down, up = 3 * number + 3, 11 - 3 * number
        conv(f"encoder.model.{down}.conv.conv", 2 * channels, channels, 2 * stride)
        conv(f"decoder.model.{up}.convtr.convtr", 2 * channels, channels, 2 * stride)
        for block in (f"encoder.model.{down - 2}.block", f"decoder.model.{up + 1}.block"):
            conv(f"{block}.1.conv.conv", channels // 2, channels, 3)
            conv(f"{block}.3.conv.conv", channels, channels // 2, 1)
    for side in ("encoder", "decoder"):
        for number in range(8):
            layer = f"{side}_transformer.transformer.layers.{number}"
            shapes[f"{layer}.self_attn.in_proj_weight"] = (1536, 512)
            shapes[f"{layer}.self_attn.out_proj.weight"] = (512, 512)
            shapes[f"{layer}.linear1.weight"] = (2048, 512)
            shapes[f"{layer}.linear2.weight"] = (512, 2048)
            for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
                shapes[f"{layer}.{name}"] = (512,)
            for name in ("layer_scale_1.scale", "layer_scale_2.scale"):
                shapes[f"{layer}.{name}"] = (512,)
    shapes["downsample.conv.conv.conv.weight"] = (512, 512, 4)
    shapes["upsample.convtr.convtr.convtr.weight"] = (512, 1, 4)
    for branch, levels in (("rvq_first", 1), ("rvq_rest", 31)):
        shapes[f"quantizer.{branch}.input_proj.weight"] = (256, 512, 1)
        shapes[f"quantizer.{branch}.output_proj.weight"] = (512, 256, 1)
        for level in range(levels):
            codebook = f"quantizer.{branch}.vq.layers.{level}._codebook"
            shapes[f"{codebook}._initialized"] = (1,)
            shapes[f"{codebook}.cluster_usage"] = (2048,)
            shapes[f"{codebook}.embedding_sum"] = (2048, 256)
    return shapes


@pytest.mark.slow  # PyTorch's first use of the meta device imports a second's worth
def test_names_and_shapes_of_all_32_codebooks_are_the_published_ones():
    with torch.device("meta"):
        places = published_places(MimiCodec(MimiConfig(codebooks=32)))
    assert {name: tuple(place.shape) for name, place in places.items()} == published_shapes()
    assert len(places) == 318
    assert round(sum(math.prod(place.shape) for place in places.values()) / 1e6, 2) == 96.15


def test_published_places_name_every_value_of_the_codec_once(tiny_mimi):
    def addresses(tensors):
        return sorted(
            address
            for tensor in tensors
            for address in torch.arange(tensor.numel()).mul(4).add(tensor.data_ptr()).tolist()
        )

    places = published_places(tiny_mimi)
    scratch = ("_initialized", "cluster_usage")
    kept = [place for name, place in places.items() if not name.endswith(scratch)]
    codebooks = [value for name, value in tiny_mimi.state_dict().items() if "codebooks" in name]
    assert len(codebooks) == 2
    assert addresses(kept) == addresses([*tiny_mimi.parameters(), *codebooks])


def test_loading_stores_each_tensor_in_its_place(tiny_mimi, tensors):
    places = published_places(tiny_mimi)
    for name, place in places.items():
        if "_codebook" not in name:
            assert torch.equal(place, tensors[name]), name


def test_centroids_are_sums_divided_by_usage(tiny_mimi, tensors):
    for level in range(3):
        usage = tensors[f"{LEVEL.format(level)}.cluster_usage"]
        expected = tensors[f"{LEVEL.format(level)}.embedding_sum"] / usage[:, None]
        torch.testing.assert_close(tiny_mimi.quantizer.acoustic.codebooks[level], expected)


def test_a_centroid_that_was_never_used_is_finite(load, tensors):
    tensors[f"{LEVEL.format(0)}.cluster_usage"][5] = 0
    centroid = load(tensors).quantizer.acoustic.codebooks[0, 5]
    torch.testing.assert_close(centroid, tensors[f"{LEVEL.format(0)}.embedding_sum"][5] / 1e-5)


def test_attention_names_of_moshi_0_2_load_the_same(load, tensors, tiny_mimi):
    renamed = {
        name.replace("in_proj_weight", "in_projs.0.weight").replace(
            "attn.out_proj.weight", "attn.out_projs.0.weight"
        ): value
        for name, value in tensors.items()
    }
    assert renamed.keys() != tensors.keys()
    codec = load(renamed)
    for name, value in codec.state_dict().items():
        assert torch.equal(value, tiny_mimi.state_dict()[name]), name


def test_codebooks_beyond_those_used_may_be_missing(load, tensors):
    fewer = {n: v for n, v in tensors.items() if not n.startswith(LEVEL.format(4))}
    assert len(fewer) < len(tensors)
    load(fewer)


def test_half_precision_on_disk_loads_into_the_dtype_asked_for(load, tensors):
    halves = {name: value.half() for name, value in tensors.items()}
    codec = load(halves, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in codec.parameters()} == {torch.bfloat16}
    assert codec.quantizer.acoustic.codebooks.dtype == torch.float32
    assert codec.user_silence.dtype == torch.int64


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("decoder.model.2.convtr.convtr.bias", None, r"missing; expected \[8\]"),
        (
            f"{ATTENTION}.in_proj_weight",
            torch.ones(48, 15),
            r"shape \[48, 15\], expected \[48, 16\]",
        ),
        (f"{LEVEL.format(2)}.embedding_sum", None, r"missing; expected \[32, 8\]"),
        (f"{LEVEL.format(5)}.colour", torch.ones(1), "is no part of this model"),
        ("encoder.model.2.conv.conv.weight", torch.ones(1), "is no part of this model"),
        ("decoder.model.0.conv.conv.bias", torch.full((16,), math.nan), "not finite"),
        ("decoder.model.0.conv.conv.bias", torch.ones(16).long(), "dtype torch.int64"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(load, tensors, name, value, problem):
    tensors.pop(name, None)
    if value is not None:
        tensors[name] = value
    with pytest.raises(WeightsError, match=problem) as raised:
        load(tensors)
    assert raised.value.key == name


def test_a_tensor_under_both_its_names_is_refused(load, tensors):
    tensors[f"{ATTENTION}.in_projs.0.weight"] = tensors[f"{ATTENTION}.in_proj_weight"].clone()
    with pytest.raises(WeightsError, match=r"under the name '.*in_proj.* as well"):
        load(tensors)


@pytest.mark.parametrize("name", ["mimi.pt", "mimi.bin", "mimi.ckpt"])
def test_a_pickle_is_refused_unopened(tmp_path, name):
    with pytest.raises(WeightsError, match="can run code"):
        load_mimi_codec(tmp_path / name)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"mimi\.safetensors: no such file"):
        load_mimi_codec(tmp_path / "mimi.safetensors")


def test_a_truncated_file_says_so(tmp_path, mimi_golden):
    path = tmp_path / "mimi.safetensors"
    path.write_bytes((mimi_golden / "weights.safetensors").read_bytes()[:-7])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        load_mimi_codec(path)


def test_weights_of_another_size_name_tensor_and_both_shapes(mimi_golden):
    with pytest.raises(WeightsError, match=r"shape \[4, 1, 7\], expected \[64, 1, 7\]"):
        load_mimi_codec(mimi_golden / "weights.safetensors")
