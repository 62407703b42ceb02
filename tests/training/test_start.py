import dataclasses
import hashlib
import json
import shutil

import pytest
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.nano import NanoCodec, NanoCodecConfig
from voiceagent_codec.weights import save_checkpoint

from voiceagent.errors import ConfigError
from voiceagent.model.checkpoint import NANO_FOLDER
from voiceagent.training import start
from voiceagent.training.sizes import CODEC_SIZES
from voiceagent.training.start import open_start, seed_after


def test_the_shipped_model_can_be_gone_on_from():
    assert open_start("nano").name == "nano"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"--from .*nowhere: holds no config\.json; name 'nano'"):
        open_start(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("file", ["codec.safetensors", "decoder.safetensors"])
def test_weights_that_are_missing_or_damaged_are_named_before_anything_is_made(tmp_path, file):
    folder = shutil.copytree(NANO_FOLDER, tmp_path / "older")
    damaged = bytearray((folder / file).read_bytes())
    damaged[-1] ^= 1
    (folder / file).write_bytes(damaged)
    with pytest.raises(WeightsError, match=f"{file}.*sha256"):
        open_start(str(folder))
    (folder / file).unlink()
    with pytest.raises(WeightsError, match=file):
        open_start(str(folder))


def test_a_codec_of_another_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "CODEC_SIZES", dataclasses.replace(CODEC_SIZES, code_width=32))
    with pytest.raises(ConfigError, match="codec's code_width is 48, this version's 32"):
        open_start("nano")


def test_the_seed_to_go_on_with_is_another_for_another_model():
    folder = open_start("nano")
    assert seed_after(folder) == seed_after(open_start("nano"))
    for part in ("codec", "decoder"):  # a voice that was taught has the decoder of the model before
        changed = folder.sha256 | {f"{part}.safetensors": "0" * 64}
        other = dataclasses.replace(folder, sha256=changed)
        assert seed_after(other) != seed_after(folder)


def test_a_model_of_another_kind_is_refused(monkeypatch):
    monkeypatch.setattr(start, "open_model", lambda model: object())
    with pytest.raises(ConfigError, match="--from nano: is no model of"):
        open_start("nano")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config["vocabulary"].reverse(), "vocabulary.*another order"),
        (lambda config: config["vocabulary"].__setitem__(9, "zebra"), "vocabulary.*zebra"),
        (lambda config: config["decoder"].__setitem__("context", 100), "context is 100.*250"),
        (lambda config: config["decoder"].__setitem__("head_bias", False), "head_bias is False"),
    ],
)
def test_a_model_of_another_version_is_refused_by_name(tmp_path, change, message):
    folder = shutil.copytree(NANO_FOLDER, tmp_path / "older")
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=f"--from .*older: .*{message}"):
        open_start(str(folder))


def test_a_model_that_hears_by_convolutions_needs_another_ear_first(tmp_path):
    folder = shutil.copytree(NANO_FOLDER, tmp_path / "older")
    path = folder / "codec.safetensors"
    codec = NanoCodec(NanoCodecConfig(), with_agent_encoder=True)
    save_checkpoint(path, codec.state_dict(), "nano-codec")
    config = json.loads((folder / "config.json").read_text())
    config["codec"] = {}  # as it was: the sizes of every model until 2026-11-23
    config["sha256"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config))
    assert open_start(str(folder), "hearing").load_codec().config.hearing_layers == 0
    for teach in ("voice", "conversation"):
        with pytest.raises(ConfigError, match=r"older: hears by convolutions.*--teach hearing"):
            open_start(str(folder), teach)
