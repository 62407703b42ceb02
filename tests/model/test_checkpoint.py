import json
import shutil

import pytest
import torch
from voiceagent_codec.errors import WeightsError

from voiceagent.errors import ConfigError
from voiceagent.model import checkpoint
from voiceagent.model.checkpoint import NANO_FOLDER, open_model
from voiceagent.model.moshi import MoshiFolder


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(NANO_FOLDER, tmp_path / "model")
    return tmp_path / "model"


def edit(folder, **changes):
    path = folder / "config.json"
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))


def test_embedded_model_weighs_at_most_20_mb_in_all():
    assert sum(file.stat().st_size for file in NANO_FOLDER.iterdir()) <= 20e6


def test_embedded_model_opens_by_name_and_by_folder(nano, folder):
    assert open_model(folder).decoder == nano.decoder
    assert nano.tokenizer().encode("what is three plus four")[0] > 1


def test_open_model_of_a_missing_folder_says_what_to_give(tmp_path):
    with pytest.raises(ConfigError, match="--model takes 'nano', a hub id, or a folder"):
        open_model(tmp_path / "none")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"vocabulary": None}, "'vocabulary' is missing"),
        ({"colour": 1}, "'colour' is not known"),
        ({"format_version": 9}, "format_version is 9, this program reads 1"),
        ({"vocabulary": ["a"] * 500}, r"at most \d+ words"),
        ({"decoder": {}}, "decoder.agent is missing"),
        ({"decoder": [1]}, "'decoder' must be a dict"),
        ({"vocabulary": [1]}, r"at most \d+ words"),
    ],
)
def test_open_model_with_a_bad_config_names_the_field(folder, changes, problem):
    edit(folder, **changes)
    with pytest.raises(ConfigError, match=problem):
        open_model(folder)


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_open_model_with_a_config_that_is_no_json_object_says_so(folder, text):
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"not JSON|must hold an object"):
        open_model(folder)


def test_load_codec_that_does_not_fit_the_decoder_names_both_spaces(folder):
    values = json.loads((folder / "config.json").read_text())
    values["decoder"]["user"]["cardinality"] = 300
    edit(folder, **values)
    with pytest.raises(ConfigError, match=r"user codes are .*256.*, the decoder's .*300"):
        open_model(folder).load_codec()


def test_load_codec_of_an_unknown_size_names_the_file(folder):
    edit(folder, codec={"colour": 1})
    with pytest.raises(ConfigError, match=r"config\.json: codec sizes: .*colour"):
        open_model(folder).load_codec()


def test_load_decoder_of_another_width_names_the_tensor(folder):
    values = json.loads((folder / "config.json").read_text())
    values["decoder"]["temporal"]["hidden"] = 100
    edit(folder, **values)
    with pytest.raises(WeightsError, match=r"layers\.0\.hidden_in.*expected \[1, 200, 256\]"):
        open_model(folder).load_decoder()


def test_load_decoder_given_the_codecs_file_says_which_kind_it_holds(folder):
    shutil.copy(folder / "codec.safetensors", folder / "decoder.safetensors")
    with pytest.raises(WeightsError, match="holds nano-codec, expected decoder"):
        open_model(folder).load_decoder()


def test_embedded_model_attends_to_250_steps(nano):
    assert nano.decoder.context == 250


@pytest.mark.parametrize(
    ("field", "value"), [("context", "250"), ("rope_base", -5), ("norm_eps", "x"), ("width", 256.0)]
)
def test_open_model_with_a_field_of_another_type_names_it(folder, field, value):
    values = json.loads((folder / "config.json").read_text())
    (values["decoder"] if field == "context" else values["decoder"]["temporal"])[field] = value
    edit(folder, **values)
    with pytest.raises(ConfigError, match=f"decoder: {field} must be"):
        open_model(folder)


@pytest.mark.parametrize("name", ["codec", "decoder"])
def test_weights_with_a_few_changed_bytes_are_refused(folder, name):
    path = folder / f"{name}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1000:-900] = bytes(100)
    path.write_bytes(content)
    model = open_model(folder)
    with pytest.raises(WeightsError, match=r"sha256 is .* not that of config"):
        model.load_codec() if name == "codec" else model.load_decoder()


def test_open_model_of_a_folder_with_moshis_weights_alone_is_moshi_7b(tmp_path):
    (tmp_path / "model.safetensors").touch()
    folder = open_model(tmp_path)
    assert isinstance(folder, MoshiFolder)
    assert folder.decoder.context == 3000


def test_open_model_of_a_file_says_what_to_give(tmp_path):
    (tmp_path / "model.pt").touch()
    with pytest.raises(ConfigError, match=r"model\.pt: is a file; --model takes"):
        open_model(tmp_path / "model.pt")


def test_open_model_of_a_hub_id_keeps_it_as_the_name(moshi_folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "fetch_repository", lambda hub_id: moshi_folder)
    assert open_model("someone/personaplex-tiny").name == "someone/personaplex-tiny"


def test_own_folder_takes_no_adapter(nano, tmp_path):
    with pytest.raises(ConfigError, match="takes no adapters"):
        nano.load_decoder(adapter=tmp_path)


def test_own_codec_in_another_dtype_is_refused(nano):
    with pytest.raises(ConfigError, match="float32 only"):
        nano.load_codec(dtype=torch.bfloat16)
