import torch

from voiceagent.model.checkpoint import open_model
from voiceagent.model.moshi_config import moshi_config
from voiceagent.testing.random_moshi import (
    TINY_MOSHI,
    TINY_PERSONAPLEX,
    published_shapes,
    random_decoder,
    write_random_moshi,
)


def test_random_moshi_is_a_folder_that_opens(tmp_path):
    write_random_moshi(tmp_path, TINY_MOSHI)
    folder = open_model(tmp_path)
    decoder, codec = folder.load_decoder(dtype=torch.float32), folder.load_codec()
    assert codec.spec.agent == decoder.config.agent
    assert codec.spec.frame_samples == 1920
    assert len(folder.tokenizer().encode("hello")) > 0


def test_random_moshi_of_a_seed_is_the_same_again(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_random_moshi(tmp_path / name, TINY_MOSHI, seed=seed)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]


def test_random_decoder_hears_every_stream():
    decoder = random_decoder(moshi_config(TINY_MOSHI, "x").decoder)
    codes = torch.zeros(5, 4, dtype=torch.int64)
    codes[1:] = torch.eye(4, dtype=torch.int64)
    state, active = decoder.init_state(5), torch.ones(5, dtype=torch.bool)
    for _ in range(3):
        logits = decoder.step(codes, state, active).logits
    assert all(float((logits[0] - row).abs().max()) > 1e-2 for row in logits[1:])


def test_published_shapes_of_personaplex_have_twice_the_steps_of_depth():
    moshi, personaplex = published_shapes(TINY_MOSHI), published_shapes(TINY_PERSONAPLEX)
    name = "depformer.layers.0.self_attn.in_proj_weight"
    assert personaplex[name][0] == 2 * moshi[name][0]
    assert personaplex.keys() > moshi.keys()
    assert {n for n in personaplex if n.startswith("emb.")} == {
        n for n in moshi if n.startswith("emb.")
    }
