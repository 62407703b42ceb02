import struct

import pytest
import torch
from voiceagent_codec.errors import WeightsError
from voiceagent_codec.nano import SemanticEncoder
from voiceagent_codec.speech_transformer import SpeechTransformer

from voiceagent.testing.recogniser import bundled_folder
from voiceagent.training.sizes import CODEC_SIZES
from voiceagent.training.whisper_start import begin_with_whisper, read_ctranslate2


@pytest.fixture(scope="module")
def whisper():
    return bundled_folder() / "model.bin"


def test_the_ear_begins_with_whispers_encoder_turned_to_its_layout(whisper):
    encoder = SemanticEncoder(CODEC_SIZES).requires_grad_(False).encoder
    begin_with_whisper(encoder)
    theirs = read_ctranslate2(whisper, "encoder/")
    mel = torch.randn(1, 40, 80)
    state = encoder.init_state(1, "cpu")
    mine = encoder.conv1(mel, state.convolutions[0], None)
    wanted = torch.conv1d(
        torch.nn.functional.pad(mel.mT, (2, 0)),
        theirs["encoder/conv1/weight"],
        theirs["encoder/conv1/bias"],
    )
    torch.testing.assert_close(mine, wanted.mT, atol=1e-4, rtol=0)
    last = "encoder/layer_3/ffn/linear_1/weight"
    assert torch.equal(encoder.layers[3].hidden_out.weight, theirs[last])


def test_sizes_that_are_not_whispers_are_refused():
    with pytest.raises(WeightsError, match="other sizes"):
        begin_with_whisper(SpeechTransformer(80, 64, 4, 2))
    with pytest.raises(WeightsError, match=r"layer_4.*missing"):
        begin_with_whisper(SpeechTransformer(80, 384, 5, 6))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no CTranslate2 model"),
        (struct.pack("<I", 3), "of version 3, not 6"),
        (struct.pack("<IH", 6, 900) + b"short", "no CTranslate2 model"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, data, message):
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=message):
        read_ctranslate2(path, "encoder/")


def test_a_truncated_file_is_named(tmp_path, whisper):
    path = tmp_path / "model.bin"
    path.write_bytes(whisper.read_bytes()[:500_000])
    with pytest.raises(WeightsError, match=r"model\.bin.*no CTranslate2 model"):
        read_ctranslate2(path, "encoder/")
