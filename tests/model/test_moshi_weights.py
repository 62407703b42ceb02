import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from voiceagent_codec.errors import WeightsError

from voiceagent.model.checkpoint import open_model
from voiceagent.model.decoder import Decoder
from voiceagent.model.moshi_config import MOSHI_7B, moshi_config
from voiceagent.model.moshi_weights import check_fit, open_tensors, published_places
from voiceagent.testing.random_moshi import TINY_MOSHI, published_shapes

TEMPORAL = "transformer.layers.0.self_attn"


@pytest.fixture
def folder(moshi_folder, tmp_path):
    shutil.copytree(moshi_folder, tmp_path / "model")
    return tmp_path / "model"


def change(folder, edit):
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def weights(folder):
    return open_model(folder).load_decoder(dtype=torch.float32).state_dict()


def assert_same(mine, theirs):
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, theirs[name]), name


def outline(values):
    return Decoder.outline(moshi_config(values, "x").decoder)


def test_published_places_of_moshi_7b_have_its_names_and_shapes():
    places = {k: list(v.shape) for k, v in published_places(outline(None), split=False).items()}
    assert len(places) == 355
    assert sum(torch.Size(shape).numel() for shape in places.values()) == 7_687_729_152
    assert places["emb.15.weight"] == [2049, 4096]
    assert places["text_emb.weight"] == [32001, 4096]
    assert places["text_linear.weight"] == [32000, 4096]
    assert places["out_norm.alpha"] == [1, 1, 4096]
    assert places["transformer.layers.31.self_attn.in_proj_weight"] == [12288, 4096]
    assert places["transformer.layers.0.gating.linear_in.weight"] == [22528, 4096]
    assert places["transformer.layers.0.gating.linear_out.weight"] == [4096, 11264]
    assert places["depformer_in.7.weight"] == [1024, 4096]
    assert places["depformer_emb.6.weight"] == [2049, 1024]
    assert places["depformer_text_emb.weight"] == [32001, 1024]
    assert places["depformer.layers.5.norm2.alpha"] == [1, 1, 1024]
    assert places["depformer.layers.5.self_attn.in_proj_weight"] == [24576, 1024]
    assert places["depformer.layers.5.self_attn.out_proj.weight"] == [8192, 1024]
    assert places["depformer.layers.0.gating.7.linear_in.weight"] == [5632, 1024]
    assert places["depformer.layers.0.gating.7.linear_out.weight"] == [1024, 2816]
    assert places["linears.7.weight"] == [2048, 1024]


#: Moshi 7B by name, as a config that says all there is to say.
FULL = {**{k: v for k, v in TINY_MOSHI.items() if k not in MOSHI_7B}, **MOSHI_7B}


def write_header(path, shapes):
    """A checkpoint of the right names, shapes and length, its data a hole in the file."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * shape.numel()
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with path.open("r+b") as file:
        file.truncate(8 + len(text) + end)


@pytest.mark.parametrize(
    ("depth_steps", "split", "tensors", "parameters"),
    [
        (8, False, 355, 7_687_729_152),
        (8, True, 439, 7_687_729_152),
        (16, False, 475, 8_371_408_896),
        (16, True, 655, 8_371_408_896),
    ],
)
def test_checkpoint_of_true_size_fits_the_same_decoder(
    tmp_path, depth_steps, split, tensors, parameters
):
    shapes = published_shapes({**FULL, "dep_q": depth_steps}, split=split)
    assert (len(shapes), sum(map(torch.Size.numel, shapes.values()))) == (tensors, parameters)
    write_header(tmp_path / "model.safetensors", shapes)
    decoder = outline(None)
    with open_tensors(tmp_path / "model.safetensors") as found:
        check_fit(decoder, published_places(decoder, split=split), found)


def in_parts(tensors, depth_steps):
    """The same checkpoint with one attention matrix per codebook."""
    parts = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"(.*)\.(in|out)_proj[_.]weight", name)
        if match is None:
            parts[name] = tensor
            continue
        pieces = tensor.chunk(depth_steps if name.startswith("depformer.") else 1)
        for k, piece in enumerate(pieces):
            parts[f"{match[1]}.{match[2]}_projs.{k}.weight"] = piece.clone()
    return parts


@pytest.mark.parametrize("name", ["moshi_folder", "personaplex_folder"])
def test_both_layouts_of_a_checkpoint_are_the_same_decoder(name, request, tmp_path):
    folder = request.getfixturevalue(name)
    shutil.copytree(folder, tmp_path / "parts")
    path = tmp_path / "parts" / "model.safetensors"
    parts = in_parts(load_file(path), 4 if name == "moshi_folder" else 8)
    assert "depformer.layers.1.self_attn.out_projs.3.weight" in parts
    save_file(parts, path)
    assert_same(weights(tmp_path / "parts"), weights(folder))


def test_checkpoint_without_the_users_steps_of_depth_is_the_same_decoder(folder):
    """PersonaPlex sizes, but only the weights of the agent's eight steps, as Moshi has them."""
    config = folder / "config.json"
    before = weights(folder)
    config.write_text(config.read_text().replace('"dep_q": 4', '"dep_q": 8'))
    assert_same(weights(folder), before)


def test_shards_listed_by_an_index_are_one_checkpoint(folder):
    before, path = weights(folder), folder / "model.safetensors"
    tensors = load_file(path)
    path.unlink()
    places = {name: f"part-{i % 3}.safetensors" for i, name in enumerate(tensors)}
    for shard in set(places.values()):
        save_file({n: t for n, t in tensors.items() if places[n] == shard}, folder / shard)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert_same(weights(folder), before)
    (folder / "part-1.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"part-1\.safetensors: no such file"):
        weights(folder)
    index.write_text("{}")
    with pytest.raises(WeightsError, match="not an index of shards"):
        weights(folder)


def test_int8_matrix_is_multiplied_by_its_rows_scales(folder):
    name = "transformer.layers.0.gating.linear_in.weight"
    before = load_file(folder / "model.safetensors")[name]

    def quantise(tensors):
        scale = before.abs().amax(1)
        tensors[name] = torch.round(before / scale[:, None] * 127).to(torch.int8)
        tensors[name + "_scb"] = scale

    change(folder, quantise)
    found = weights(folder)["layers.0.hidden_in.weight"][0]
    step = before.abs().amax(1, keepdim=True) / 127
    assert bool(((found - before).abs() <= 0.501 * step).all())


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda t: t.pop("text_emb.weight"), r"'text_emb.weight': missing; expected \[81, 64\]"),
        (lambda t: t.update(colour=torch.zeros(1)), "'colour': is no part of this model"),
        (
            lambda t: t.update({"linears.0.weight": torch.zeros(31, 33)}),
            r"'linears.0.weight': has shape \[31, 33\], expected \[31, 32\]",
        ),
        (
            lambda t: t.update(
                {"transformer.layers.0.self_attn.in_proj_weight": torch.zeros(384, 64)}
            ),
            r"has shape \[384, 64\], expected \[192, 64\]",
        ),
        (
            lambda t: t.update({"linears.0.weight": torch.zeros(31, 32, dtype=torch.int64)}),
            "dtype I64",
        ),
        (
            lambda t: t.update({"linears.0.weight": torch.zeros(31, 32, dtype=torch.int8)}),
            "is int8 without one 'linears.0.weight_scb' a row",
        ),
        (lambda t: t["linears.3.weight"].fill_(float("nan")), "not finite"),
    ],
)
def test_checkpoint_that_does_not_fit_names_the_tensor(folder, edit, problem):
    change(folder, edit)
    with pytest.raises(WeightsError, match=problem):
        weights(folder)


@pytest.mark.parametrize("name", ["model.pt", "model.bin", "model.ckpt"])
def test_pickled_checkpoint_is_refused_with_the_reason(tmp_path, name):
    (tmp_path / name).touch()
    with (
        pytest.raises(WeightsError, match="can run code and are refused"),
        open_tensors(tmp_path / name),
    ):
        pass


def test_truncated_checkpoint_says_to_copy_it_again(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        weights(folder)
