import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from voiceagent.errors import ConfigError
from voiceagent.model.adapter import open_adapter
from voiceagent.model.checkpoint import open_model

RANK, ALPHA = 3, 6
ATTENTION = "transformer.layers.1.self_attn.in_projs.0"
GATE = "depformer.layers.0.gating.2.linear_out"
SHAPES = {ATTENTION: (192, 64), GATE: (32, 64), "linears.1": (31, 32), "text_linear": (80, 64)}
#: The same matrices in a decoder, by the published layout of the base checkpoint.
BASES = {
    ATTENTION: "transformer.layers.1.self_attn.in_proj_weight",
    **{name: f"{name}.weight" for name in SHAPES if name != ATTENTION},
}


def ours(decoder, name):
    return {
        ATTENTION: decoder.layers[1].attention_in.weight[0],
        GATE: decoder.depth.layers[0].hidden_out.weight[2],
        "linears.1": decoder.depth.heads[1],
        "text_linear": decoder.text_head.weight,
    }[name]


def pairs(generator, shapes=SHAPES, rank=RANK):
    return {
        name: (torch.randn(rank, i, generator=generator), torch.randn(o, rank, generator=generator))
        for name, (o, i) in shapes.items()
    }


def write_peft(folder, found, magnitudes=None, **changes):
    tensors = {}
    for name, (down, up) in found.items():
        tensors[f"base_model.model.{name}.lora_A.weight"] = down
        tensors[f"base_model.model.{name}.lora_B.weight"] = up
    for name, length in (magnitudes or {}).items():
        tensors[f"base_model.model.{name}.lora_magnitude_vector"] = length
    values = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "use_dora": bool(magnitudes)}
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({**values, **changes}))
    return folder


def merged(model, adapter):
    return open_model(model).load_decoder(dtype=torch.float32, adapter=adapter)


@pytest.mark.parametrize(("changes", "factor"), [({}, 2.0), ({"use_rslora": True}, ALPHA / 3**0.5)])
def test_lora_adds_its_product_to_the_matrices_it_names(
    moshi_folder, tmp_path, generator, changes, factor
):
    found = pairs(generator)
    decoder = merged(moshi_folder, write_peft(tmp_path / "a", found, **changes))
    base = load_file(moshi_folder / "model.safetensors")
    for name, (down, up) in found.items():
        change = factor * torch.einsum("or,ri->oi", up.double(), down.double())
        torch.testing.assert_close(
            ours(decoder, name).double(), base[BASES[name]].double() + change, rtol=1e-5, atol=1e-5
        )


def test_lora_leaves_every_other_weight_alone(moshi_folder, tmp_path, generator):
    decoder = merged(moshi_folder, write_peft(tmp_path / "a", pairs(generator, {GATE: (32, 64)})))
    plain = open_model(moshi_folder).load_decoder(dtype=torch.float32)
    for (name, mine), theirs in zip(decoder.named_parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine, theirs) == (name != "depth.layers.0.hidden_out.weight")


def test_dora_gives_every_row_the_length_that_it_stores(moshi_folder, tmp_path, generator):
    found = pairs(generator, {GATE: SHAPES[GATE]})
    length = torch.rand(32, generator=generator) + 0.5
    decoder = merged(moshi_folder, write_peft(tmp_path / "a", found, {GATE: length}))
    base = load_file(moshi_folder / "model.safetensors")[f"{GATE}.weight"]
    direction = base + 2.0 * found[GATE][1] @ found[GATE][0]
    found_rows = ours(decoder, GATE)
    torch.testing.assert_close(found_rows.square().sum(1).sqrt(), length)
    cosine = torch.cosine_similarity(found_rows, direction, dim=1)
    torch.testing.assert_close(cosine, torch.ones(32))


def test_adapter_of_moshi_finetune_takes_rank_and_factor_from_its_config(
    moshi_folder, tmp_path, generator
):
    down, up = pairs(generator)[GATE]
    save_file(
        {f"{GATE}.lora_A.weight": down, f"{GATE}.lora_B.weight": up}, tmp_path / "lora.safetensors"
    )
    (tmp_path / "config.json").write_text(json.dumps({"lora_rank": RANK, "lora_scaling": 0.5}))
    base = load_file(moshi_folder / "model.safetensors")[f"{GATE}.weight"]
    decoder = merged(moshi_folder, tmp_path)
    torch.testing.assert_close(ours(decoder, GATE), base + 0.5 * up @ down)


def test_adapter_for_the_users_steps_of_depth_is_left_out(personaplex_folder, tmp_path, generator):
    beyond = {"depformer.layers.0.gating.7.linear_out": (32, 64)}
    decoder = merged(personaplex_folder, write_peft(tmp_path / "a", pairs(generator, beyond)))
    plain = open_model(personaplex_folder).load_decoder(dtype=torch.float32)
    assert all(map(torch.equal, decoder.parameters(), plain.parameters()))


@pytest.mark.parametrize(
    ("shapes", "rank", "problem"),
    [
        ({GATE: (32, 64)}, 4, r"its A is \[4, 64\], expected \[3, 64\] \(rank 3 by its config\)"),
        ({GATE: (33, 64)}, RANK, r"its B is \[33, 3\], expected \[32, 3\]"),
        ({"transformer.layers.9.gating.linear_in": (4, 4)}, RANK, "has no such matrix"),
    ],
)
def test_adapter_of_another_rank_or_layout_is_refused(
    moshi_folder, tmp_path, generator, shapes, rank, problem
):
    folder = write_peft(tmp_path / "a", pairs(generator, shapes, rank))
    with pytest.raises(ConfigError, match=problem):
        merged(moshi_folder, folder)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"peft_type": "IA3"}, "'peft_type' is 'IA3'"),
        ({"rank_pattern": {"a": 4}}, "'rank_pattern'"),
        ({"modules_to_save": ["text_linear"]}, "'modules_to_save'"),
        ({"init_lora_weights": "pissa"}, "'init_lora_weights' is 'pissa'"),
        ({"r": "8"}, "'r' and 'lora_alpha' must be numbers"),
    ],
)
def test_adapter_of_a_kind_that_is_not_merged_names_the_key(tmp_path, generator, changes, problem):
    with pytest.raises(ConfigError, match=problem):
        open_adapter(write_peft(tmp_path / "a", pairs(generator), **changes))


def test_adapter_with_a_tensor_that_is_none_names_it(moshi_folder, tmp_path, generator):
    folder = write_peft(tmp_path / "a", pairs(generator))
    save_file({"emb.0.lora_embedding_A": torch.zeros(3, 3)}, folder / "adapter_model.safetensors")
    with pytest.raises(ConfigError, match=r"'emb\.0\.lora_embedding_A' is no LoRA or DoRA weight"):
        merged(moshi_folder, folder)


def test_adapter_of_half_a_pair_is_refused(moshi_folder, tmp_path, generator):
    folder = write_peft(tmp_path / "a", pairs(generator))
    save_file({f"{GATE}.lora_A.weight": torch.zeros(3, 64)}, folder / "adapter_model.safetensors")
    with pytest.raises(ConfigError, match=r"holds \['A'\], by its config it needs \['A', 'B'\]"):
        merged(moshi_folder, folder)


def test_adapter_that_calls_itself_dora_without_lengths_is_refused(
    moshi_folder, tmp_path, generator
):
    folder = write_peft(tmp_path / "a", pairs(generator), use_dora=True)
    with pytest.raises(ConfigError, match=r"it needs \['A', 'B', 'magnitude'\]"):
        merged(moshi_folder, folder)


def test_adapter_that_a_repositorys_config_names_is_part_of_its_model(
    moshi_folder, tmp_path, generator
):
    model = tmp_path / "model"
    shutil.copytree(moshi_folder, model)
    down, up = pairs(generator)[GATE]
    save_file(
        {f"{GATE}.lora_A.weight": down, f"{GATE}.lora_B.weight": up}, model / "mine.safetensors"
    )
    values = json.loads((model / "config.json").read_text())
    own = {"lora": True, "lora_name": "mine.safetensors", "lora_rank": RANK, "lora_scaling": 3.0}
    (model / "config.json").write_text(json.dumps({**values, **own}))
    base = load_file(model / "model.safetensors")[f"{GATE}.weight"]
    decoder = open_model(model).load_decoder(dtype=torch.float32)
    torch.testing.assert_close(ours(decoder, GATE), base + 3.0 * up @ down)


def test_folder_without_an_adapter_says_what_one_holds(tmp_path):
    with pytest.raises(ConfigError, match=r"adapter_config\.json and adapter_model"):
        open_adapter(tmp_path)
