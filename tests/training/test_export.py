import dataclasses
import shutil
from types import SimpleNamespace

import pytest
import torch
from voiceagent_codec.weights import (
    add_low_rank,
    read_checkpoint,
    read_low_rank,
    read_stored,
)

from voiceagent.model.checkpoint import open_model
from voiceagent.model.decoder import Decoder
from voiceagent.training import export
from voiceagent.training.calls import agent_silence
from voiceagent.training.decoder import decoder_sizes
from voiceagent.training.low_rank import balanced
from voiceagent.training.vocabulary import tokens

ALL = ("semantic", "voice")


@pytest.mark.parametrize(
    ("name", "shape", "is_int8"),
    [
        ("layers.0.attention_in.weight", (1, 768, 256), True),
        ("quantizer.codebooks", (4, 256, 48), False),
        ("norm.weight", (8192,), False),
        ("head.weight", (8, 8), False),
    ],
)
def test_large_matrices_are_quantised_and_codebooks_are_not(name, shape, is_int8):
    assert export.is_quantised(name, torch.zeros(shape)) is is_int8


@pytest.fixture
def trained(workspace, sizes, toy_codec, monkeypatch):
    """A run whose stages have checkpoints, untrained and small."""
    for name, parts in (
        ("semantic", {"encoder": toy_codec.semantic}),
        ("voice", {"voice": toy_codec.voice, "encoder": toy_codec.agent_encoder}),
    ):
        state = {f"{k}.{n}": v for k, m in parts.items() for n, v in m.state_dict().items()}
        workspace.write_checkpoint(name, {"module": state | {"head.0.bias": torch.zeros(1)}})
    load = export.load_nano_codec
    values = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in dataclasses.asdict(sizes).items()
    }
    monkeypatch.setattr(export, "load_nano_codec", lambda path, _, **kw: load(path, values, **kw))
    return workspace


def test_exported_codec_is_the_trained_one_up_to_its_rounding(trained, toy_codec):
    export.export_codec(trained, ALL)
    codec = export.load_codec(trained)
    name = "semantic.project.weight"
    torch.testing.assert_close(
        codec.state_dict()[name], toy_codec.state_dict()[name], atol=2e-3, rtol=0
    )
    assert export.user_codebooks(codec).shape == (4, 256, 8)


def test_exported_folder_opens_as_a_model_and_is_small(trained, sizes):
    export.export_codec(trained, ALL)
    codec = export.load_codec(trained)
    shape = decoder_sizes(codec, tuple(int(code) for code in agent_silence(codec)))
    trained.write_checkpoint("decoder", {"module": Decoder(shape).state_dict()})
    folder = open_model(export.export_model(trained))
    assert folder.vocabulary == tokens()
    assert folder.load_decoder().config == shape
    assert folder.load_codec().config == sizes
    assert 1e6 < export.folder_bytes(folder.path) < export.MOST_BYTES


def test_a_decoder_that_goes_on_is_the_mean_of_before_and_after(trained, sizes, tmp_path):
    export.export_codec(trained, ALL)
    shape = decoder_sizes(
        export.load_codec(trained), tuple(agent_silence(export.load_codec(trained)).tolist())
    )
    one, two = Decoder(shape).state_dict(), Decoder(shape).state_dict()
    trained.write_checkpoint("decoder", {"module": one})
    shutil.copytree(export.export_model(trained), tmp_path / "before")
    start = open_model(tmp_path / "before")
    trained.write_checkpoint("decoder", {"module": two})
    name = next(key for key in one if "attention" in key and one[key].dim() >= 2)
    mean = open_model(export.export_model(trained, start)).load_decoder().state_dict()[name]
    torch.testing.assert_close(mean, (one[name] + two[name]) / 2, atol=2e-3, rtol=0)
    kept = open_model(export.export_model(trained, start, has_learnt=False)).load_decoder()
    assert torch.equal(kept.state_dict()[name], start.load_decoder().state_dict()[name])


def test_a_run_that_goes_on_keeps_what_it_began_with_byte_by_byte(trained, tmp_path, toy_codec):
    """Also what an ear learnt beside its weights, which reading adds to them."""
    export.export_codec(trained, ALL)
    name = "semantic.encoder.layers.0.hidden_in.weight"
    rows, columns = toy_codec.semantic.encoder.layers[0].hidden_in.weight.shape
    before = SimpleNamespace(codec_path=tmp_path / "codec.safetensors")
    written = trained.path / "model" / "codec.safetensors"
    factors = torch.ones(rows, 2), torch.ones(2, columns)
    add_low_rank(written, before.codec_path, "nano-codec", {name: factors})
    stored = read_stored(before.codec_path, "nano-codec")
    for learnt, prefixes in (("voice", ("voice.", "agent_encoder.")), ("semantic", ("semantic.",))):
        export.export_codec(trained, [learnt], before)
        after = read_stored(written, "nano-codec")
        kept = {key for key in stored if not key.startswith(prefixes)}
        assert all(torch.equal(after[key], stored[key]) for key in kept)
        assert (f"{name}.outer" in after) is (learnt == "voice")
        export.load_codec(trained)


def test_a_stage_that_left_nothing_is_not_shipped(trained):
    (trained.path / "voice.ckpt").unlink()
    with pytest.raises(AssertionError, match="stage voice"):
        export.export_codec(trained, ALL)


def test_of_what_an_ear_learns_half_is_added(trained, tmp_path, toy_codec):
    export.export_codec(trained, ALL)
    written = trained.path / "model" / "codec.safetensors"
    part = "layers.0.hidden_in"
    name = f"semantic.encoder.{part}.weight"
    rows, columns = toy_codec.semantic.encoder.layers[0].hidden_in.weight.shape
    plain = read_checkpoint(written, "nano-codec")[name]
    one = torch.randn(rows, 1), torch.randn(1, columns)
    trained.write_checkpoint(
        "ear", {"module": {f"ear.{part}.outer": one[0], f"ear.{part}.inner": one[1]}}
    )
    start = SimpleNamespace(codec_path=tmp_path / "codec.safetensors")
    shutil.copyfile(written, start.codec_path)
    export.extend_codec(trained, start)
    added = read_checkpoint(written, "nano-codec")[name] - plain
    torch.testing.assert_close(added, one[0] @ one[1] / 2, atol=0.1, rtol=0)

    shutil.copyfile(written, start.codec_path)  # it goes on from there, the other way
    outer, inner = balanced(*read_low_rank(start.codec_path, "nano-codec")[name][1:])
    trained.write_checkpoint(
        "ear", {"module": {f"ear.{part}.outer": -outer, f"ear.{part}.inner": inner}}
    )
    export.extend_codec(trained, start)
    torch.testing.assert_close(read_checkpoint(written, "nano-codec")[name], plain)
