import json
import shutil

import pytest
import torch
from voiceagent_codec.errors import WeightsError

from voiceagent.errors import ConfigError
from voiceagent.model import memory
from voiceagent.model.checkpoint import open_model


@pytest.fixture
def folder(moshi_folder, tmp_path):
    shutil.copytree(moshi_folder, tmp_path / "model")
    return tmp_path / "model"


def test_moshi_folder_speaks_hears_and_reads(moshi_folder):
    folder = open_model(moshi_folder)
    codec, decoder = folder.load_codec(), folder.load_decoder(dtype=torch.float32)
    state, active = codec.init_state(1), torch.ones(1, dtype=torch.bool)
    codes = codec.encode_step(torch.randn(1, 1, 1920) * 0.1, state, active)
    output = decoder.step(codes, decoder.init_state(1), active)
    assert codec.decode_step(output.agent_codes.clamp(min=0), state, active).shape == (1, 1, 1920)
    assert folder.tokenizer().encode("hello")


def test_moshi_folder_is_loaded_in_bfloat16_unless_told_otherwise(moshi_folder):
    folder = open_model(moshi_folder)
    assert {p.dtype for p in folder.load_decoder().parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("name", ["moshi_folder", "personaplex_folder"])
def test_promptable_is_what_predicts_the_user_or_calls_itself_personaplex(name, request):
    folder = open_model(request.getfixturevalue(name))
    assert folder.is_promptable == (name == "personaplex_folder")


def test_promptable_is_a_folder_that_brings_voices(folder):
    (folder / "voices.tgz").touch()
    assert open_model(folder).is_promptable


def test_promptable_is_a_checkpoint_with_the_users_steps_of_depth(personaplex_folder, tmp_path):
    """As one would be that comes without a config."""
    model = tmp_path / "model"
    shutil.copytree(personaplex_folder, model)
    config = json.loads((model / "config.json").read_text())
    del config["model_type"]
    (model / "config.json").write_text(json.dumps({**config, "dep_q": 4}))
    assert open_model(model).is_promptable


def test_model_that_does_not_fit_says_so_before_it_reads_a_tensor(folder, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda device: 1000)
    with pytest.raises(
        ConfigError, match=r"model in float32 needs 1\.\d MiB on cpu, .* 1000 bytes"
    ):
        open_model(folder).load_decoder(dtype=torch.float32)


def test_codec_with_other_codes_than_the_decoders_names_both(folder):
    sizes = folder / "config.json"
    sizes.write_text(sizes.read_text().replace('"card": 31', '"card": 30'))
    with pytest.raises(ConfigError, match=r"cardinality=31.*, the decoder's .*cardinality=30"):
        open_model(folder).load_codec()


def test_missing_weights_beside_a_pickle_say_why_it_is_not_read(folder):
    (folder / "model.safetensors").rename(folder / "model.bin")
    with pytest.raises(WeightsError, match=r"model\.bin is pickled, can run code and is refused"):
        open_model(folder).load_decoder()
